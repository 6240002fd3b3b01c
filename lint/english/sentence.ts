import { baseVerbs, pluralNouns, thirdPersons } from "./verbs.ts";
import {
  adverbs,
  auxiliaries,
  nounMarkers,
  objectMarkers,
  openingConjunctions,
  pluralPronouns,
  subordinators,
} from "./words.ts";

/** A word in lowercase, without punctuation. `pauses` is true if a comma, colon or similar follows it. */
export interface Word {
  readonly text: string;
  readonly pauses: boolean;
}

/** Splits a text into words. Removes punctuation and quotes around a word; keeps hyphens and apostrophes inside it. */
export function wordsOf(text: string): Word[] {
  return text.split(/\s+/).flatMap((written) => {
    const word = written
      .replace(/^[^\w$-]+|[^\w$]+$/g, "")
      .replace(/^(?:GET|HEAD|POST|PUT|PATCH|DELETE)$/, "request")
      .toLowerCase();
    return word === "" ? [] : [{ text: word, pauses: /[,;:.!?)]["']?$/.test(written) }];
  });
}

/** Returns true if a text begins with a third-person verb: `keeps the later of two changes`, `never sends …`. */
export function beginsWithVerb(all: readonly Word[]): boolean {
  const [first, second] = all.slice(all.findIndex(({ text }) => !adverbs.has(text)));
  if (!first) return false;
  if (auxiliaries.has(first.text)) return !["is", "are", "have", "do"].includes(first.text);
  if (isThirdPerson(first.text)) return !(pluralNouns.has(first.text) && followsNoun(first.text, second?.text ?? ""));
  return /[^s]s$/.test(first.text) && !nounMarkers.has(first.text) && objectMarkers.has(second?.text ?? "");
}

/**
 * Returns true if a text has a main clause in the present tense, that is, more verbs than dependent clauses.
 *
 * This is an estimate. A noun mistaken for a verb lets a fragment pass. Add unknown verbs to `verbs.ts`.
 */
export function isSentence(all: readonly Word[]): boolean {
  const plural = hasPluralSubject(all);
  const present = all.flatMap((_, index) => (isFiniteVerb(all, index, plural) ? [index] : []));
  const past = all.flatMap(({ text }, index) => (/^(?:was|were|had|did)$/.test(text) ? [index] : []));
  const last = present.at(-1) ?? -1;
  const verbs = [...present, ...past].filter((index) => !continuesVerbs(all, index, Math.min(...present)));
  const clauses = all.filter(
    (_, index) => index < last && opensClause(all, index) && hasVerb(all, index, [...present, ...past]),
  );
  return present.length > 0 && verbs.length > clauses.length;
}

/** Returns true if a clause has a verb before the next pause: `that hangs`, but not `if empty,`. */
function hasVerb(all: readonly Word[], clause: number, verbs: readonly number[]): boolean {
  const pause = all.findIndex(({ pauses }, index) => pauses && index > clause);
  return verbs.some((verb) => verb > clause && (pause === -1 || verb <= pause));
}

/** Returns true if a verb shares its subject with an earlier one: `waits and sends`. */
function continuesVerbs(all: readonly Word[], index: number, first: number): boolean {
  return index > first && /^(?:and|or|but|nor)$/.test(all[index - 1]?.text ?? "");
}

function isFiniteVerb(all: readonly Word[], index: number, plural: boolean): boolean {
  const word = all[index]?.text ?? "";
  const before = all[index - 1];
  if (isInVerbGroup(all, index)) return false;
  if (auxiliaries.has(word) || /^(?:it|that|there|what)'s$/.test(word)) return before?.text !== "to";
  if (before && !before.pauses && (marksNoun(before.text) || followsCount(all, index))) {
    if (!(pluralPronouns.has(before.text) && baseVerbs.has(word))) return false;
  }
  if (isThirdPerson(word)) return index > 0 || beginsWithVerb(all);
  return (
    baseVerbs.has(word) && before !== undefined && (plural || pluralPronouns.has(before.text) || isPlural(before.text))
  );
}

/** Returns true if an auxiliary or `to` comes one or two words before: `does not send`, `to be sent`. */
function isInVerbGroup(all: readonly Word[], index: number): boolean {
  const [second, first] = [all[index - 2], all[index - 1]];
  if (!first || first.pauses) return false;
  if (first.text === "to" || auxiliaries.has(first.text)) return true;
  return adverbs.has(first.text) && second !== undefined && (second.text === "to" || auxiliaries.has(second.text));
}

function opensClause(all: readonly Word[], index: number): boolean {
  const { text: word, pauses } = all[index] ?? { text: "", pauses: true };
  const before = all[index - 1]?.text ?? "";
  const after = all[index + 1]?.text ?? "";
  if (index === 0 && openingConjunctions.has(word)) return true;
  // No clause follows in `says why,`, and the verbs of `that answered late` and `that X` are not counted either.
  if (pauses || after === "x" || (after.endsWith("ed") && !baseVerbs.has(after))) return false;
  // In `of that packet`, the word is a determiner and opens no clause.
  if (word === "that" && marksNoun(before) && !pluralPronouns.has(before)) return false;
  return subordinators.has(word);
}

function hasPluralSubject(all: readonly Word[]): boolean {
  const end = all.findIndex(({ text }, index) => index > 0 && (subordinators.has(text) || auxiliaries.has(text)));
  return all
    .slice(0, Math.min(end === -1 ? 5 : end, 5))
    .some(
      ({ text }, index) =>
        (index === 0 && pluralPronouns.has(text)) || text === "and" || isPlural(text) || isAmount(text),
    );
}

function isPlural(word: string): boolean {
  return /[^s]s$/.test(word) && word.length > 3 && !word.endsWith("'s") && !adverbs.has(word) && !nounMarkers.has(word);
}

function isAmount(word: string): boolean {
  return /^\d/.test(word) ? word !== "1" : /^(?:two|three|four|five|six|seven|eight|nine|ten)$/.test(word);
}

function marksNoun(word: string): boolean {
  return nounMarkers.has(word) || /[^t]'s$|s'$/.test(word);
}

/** Returns true for a word after `25`, but not after `a 429`. */
function followsCount(all: readonly Word[], index: number): boolean {
  return /^\d[\d,.]*$/.test(all[index - 1]?.text ?? "") && !/^(?:an?|the)$/.test(all[index - 2]?.text ?? "");
}

/** Words that are verbs before `that`, although elsewhere they may be plural nouns. */
const beforeThat = /^(?:claims|demands|guarantees|guesses|means|notes|notices|promises|reports|requests|shows)$/;

function followsNoun(noun: string, word: string): boolean {
  if (word === "that") return !beforeThat.test(noun);
  return /^(?:of|whose|are|have|were|do|cannot|can|may|must|will)$/.test(word) || baseVerbs.has(word);
}

function isThirdPerson(word: string): boolean {
  return thirdPersons.has(word) || thirdPersons.has(word.replace(/^(?:\w+-|re|un|de|dis|pre|over)/, ""));
}
