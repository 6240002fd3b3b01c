import type { Finding, Rule } from "./rule.ts";

/** Findings of one rule. */
export interface RuleResult {
  readonly rule: Rule;
  readonly findings: readonly Finding[];
}

/** Formats findings as `file:line: message`, at most `limit` per rule, followed by a table of counts. */
export function textReport(results: readonly RuleResult[], limit: number): string {
  const parts = results.filter(({ findings }) => findings.length > 0).map((result) => listOf(result, limit));
  return [...parts, tableOf(results)].join("\n\n");
}

/** Formats all findings as JSON: `{ "rules": [{ "name", "count", "findings" }] }`. */
export function jsonReport(results: readonly RuleResult[]): string {
  const rules = results.map(({ rule, findings }) => ({ name: rule.name, count: findings.length, findings }));
  return JSON.stringify({ rules }, null, 2);
}

function listOf({ rule, findings }: RuleResult, limit: number): string {
  const shown = findings.slice(0, limit).map(({ file, line, message }) => `${file}:${line}: ${message}`);
  const more = findings.length - shown.length;
  return [
    `${rule.name}: ${rule.title}`,
    ...shown,
    ...(more > 0 ? [`… and ${more} more; --all --rule ${rule.name} shows them`] : []),
  ].join("\n");
}

function tableOf(results: readonly RuleResult[]): string {
  const names = Math.max(...results.map(({ rule }) => rule.name.length));
  return results
    .map(({ rule, findings }) => `${String(findings.length).padStart(6)}  ${rule.name.padEnd(names)}  ${rule.title}`)
    .join("\n");
}
