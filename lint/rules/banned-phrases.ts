import { proseOf } from "../comments.ts";
import { bannedPhrases } from "../english/phrases.ts";
import type { Finding, Rule } from "../rule.ts";
import { lineAt, type Source } from "../source.ts";
import { testCallOf } from "../test-calls.ts";
import { walk } from "../walk.ts";

/** Reports phrases of `lint/english/phrases.ts` in comments and test titles. Code in backticks is ignored. */
export const bannedPhrasesRule: Rule = {
  name: "banned-phrases",
  title: "banned phrases in comments and test titles",
  check: (sources) =>
    sources.flatMap((source) => [
      ...proseOf(source).flatMap(({ text, start }) => findingsIn(source, text, (index) => start + index)),
      ...titlesOf(source).flatMap(({ title, start }) => findingsIn(source, title, () => start)),
    ]),
};

function findingsIn(source: Source, text: string, offsetOf: (index: number) => number): Finding[] {
  const prose = text.replace(/`[^`]*`/g, (code) => code.replace(/[^\n]/g, "_"));
  return bannedPhrases.flatMap(({ pattern, instead }) =>
    Array.from(prose.matchAll(pattern), ({ 0: found, index }) => ({
      file: source.path,
      line: lineAt(source, offsetOf(index)),
      message: `"${found.replace(/\s+/g, " ")}": write ${instead}`,
    })),
  );
}

function titlesOf(source: Source): { readonly title: string; readonly start: number }[] {
  if (!source.path.startsWith("test/")) return [];
  const titles: { title: string; start: number }[] = [];
  walk(source.program, (node) => {
    const call = node.type === "CallExpression" ? testCallOf(node) : undefined;
    if (call?.title !== undefined) titles.push({ title: call.title, start: call.start });
  });
  return titles;
}
