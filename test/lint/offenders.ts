import type { Rule } from "../../lint/rule.ts";
import { parseSource } from "../../lint/source.ts";

/** Runs one rule over files in memory, by path, and returns its findings as `file:line: message`. */
export function offenders(rule: Rule, files: Readonly<Record<string, string>>): string[] {
  const sources = Object.entries(files).map(([path, text]) => parseSource(path, text));
  return rule.check(sources).map(({ file, line, message }) => `${file}:${line}: ${message}`);
}
