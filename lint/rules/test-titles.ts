import { beginsWithParticiple, clauseOpenings, fragmentOpenings } from "../english/openings.ts";
import { beginsWithVerb, isSentence, type Word, wordsOf } from "../english/sentence.ts";
import { baseVerbs, pluralNouns, thirdPersons } from "../english/verbs.ts";
import { auxiliaries, objectMarkers } from "../english/words.ts";
import type { Rule } from "../rule.ts";
import { lineAt } from "../source.ts";
import { type TestCall, testCallOf } from "../test-calls.ts";
import { walk } from "../walk.ts";

const minWords = 3;

/**
 * Reports test titles that are not sentences in the present tense, and group titles that are not noun phrases.
 *
 * Titles from a table or a variable are not checked.
 */
export const testTitles: Rule = {
  name: "test-titles",
  title: "test titles that are fragments",
  check: (sources) =>
    sources
      .filter(({ path }) => path.startsWith("test/"))
      .flatMap((source) => {
        const calls: TestCall[] = [];
        walk(source.program, (node) => {
          const call = node.type === "CallExpression" && testCallOf(node);
          if (call) calls.push(call);
        });
        return calls.flatMap(({ kind, title = "X", start }) => {
          const fault = kind === "test" ? faultOfTestTitle(title) : faultOfGroupTitle(title);
          if (fault === undefined) return [];
          return [{ file: source.path, line: lineAt(source, start), message: `"${title}" ${fault}` }];
        });
      }),
};

/** Describes the problem with the title of an `it` or `test`. Returns `undefined` if it is a sentence. */
export function faultOfTestTitle(title: string): string | undefined {
  const all = wordsOf(title);
  const [first, second] = all;
  if (!first || all.every(({ text }) => text === "x")) return undefined;
  const isFilledIn = all.some(({ text }) => text === "x");
  if (all.length < minWords && !isFilledIn) return `has fewer than ${minWords} words: write a whole sentence`;
  const isAmount = first.text === "at" && (second?.text === "most" || second?.text === "least");
  if (isAmount && isSentence(all)) return undefined;
  if (fragmentOpenings.has(first.text) || (clauseOpenings.has(first.text) && !isSentence(afterFirstPause(all)))) {
    return `begins with "${first.text}": begin with the subject, or with a verb in the third person`;
  }
  if (beginsWithParticiple(first.text, second?.text)) return "begins with a participle: begin with the subject";
  if (beginsWithPluralVerb(first.text, second?.text)) {
    return `begins with "${first.text}": write the verb in the third person, or name the subject`;
  }
  if (beginsWithVerb(all) || isSentence(all)) return undefined;
  return "has no verb in the present tense: write a whole sentence";
}

/** Describes the problem with the title of a `describe`. Returns `undefined` if it names its subject. */
export function faultOfGroupTitle(title: string): string | undefined {
  const all = wordsOf(title);
  const [first, second] = all;
  if (!first) return undefined;
  const isOpening = fragmentOpenings.has(first.text) || clauseOpenings.has(first.text);
  if (isOpening) return `begins with "${first.text}": ${advice}`;
  if (beginsWithParticiple(first.text, second?.text)) return `begins with a participle: ${advice}`;
  const isVerb = beginsWithVerb(all) && !pluralNouns.has(first.text);
  const isPluralVerb = baseVerbs.has(first.text) && objectMarkers.has(second?.text ?? "");
  if (isVerb || isPluralVerb) return `begins with a verb: ${advice}`;
  const clause = all.find(({ text }) => relatives.has(text));
  return clause && `has a clause with "${clause.text}": ${advice}`;
}

const advice = 'name the subject, as "payload retention" does';

const relatives = new Set(["that", "which", "who", "whose", "what"]);

/** Returns the words after the first comma or colon, if they begin with a subject. */
function afterFirstPause(all: readonly Word[]): readonly Word[] {
  const pause = all.findIndex(({ pauses }) => pauses);
  const rest = pause === -1 ? [] : all.slice(pause + 1);
  const first = rest[0]?.text ?? "";
  return fragmentOpenings.has(first) || clauseOpenings.has(first) || beginsWithVerb(rest) ? [] : rest;
}

/** Returns true for titles such as `give every queue …`, but not if a command is the subject: `emit exits 1`. */
function beginsWithPluralVerb(first: string, second = ""): boolean {
  if (first === "do" || first === "have") return true;
  if (!baseVerbs.has(first)) return false;
  if (objectMarkers.has(second) || /^\d/.test(second)) return true;
  if (pluralNouns.has(`${first}s`)) return false;
  return !auxiliaries.has(second) && !thirdPersons.has(second);
}
