import type { DataKind } from "./finding.ts";
import { type Label, labelOf, labelsIn, type Meaning } from "./labels.ts";

/** Personal data found in a scanned text, by its position there. */
interface Match {
  readonly kind: DataKind;
  readonly index: number;
  readonly end: number;
}

/**
 * A text while the detectors search it one after another.
 *
 * A range that one detector has claimed is blanked out for the next, so matches never overlap.
 */
export class TextScan {
  /** The whole text, after normalization. */
  readonly text: string;
  /** The meaning of the field's own name. */
  readonly field: Meaning | undefined;
  readonly matches: Match[] = [];
  #remaining: string;
  /** Excluded ranges that are not yet blanked out in `#remaining`. */
  #excluded: (readonly [index: number, end: number])[] = [];
  #labels: readonly Label[] | undefined;

  constructor(text: string, field: Meaning | undefined) {
    this.text = text;
    this.#remaining = text;
    this.field = field;
  }

  /** Returns the label that applies to a range, or else the meaning of the field's name. */
  labelOf(span: { readonly index: number; readonly end: number }) {
    return labelOf(this.text, this.#allLabels(), span, this.field);
  }

  /** Returns true if a label in the text, or the field's name, has the given meaning. */
  mentions(meaning: Meaning): boolean {
    return this.field === meaning || this.#allLabels().some((label) => label.meaning === meaning);
  }

  #allLabels(): readonly Label[] {
    this.#labels ??= labelsIn(this.text);
    return this.#labels;
  }

  /** Records a match and excludes its range from further search. */
  addMatch(kind: DataKind, index: number, end: number): void {
    this.matches.push({ kind, index, end });
    this.exclude(index, end);
  }

  /** Excludes a range from further search without recording a match. */
  exclude(index: number, end: number): void {
    this.#excluded.push([index, end]);
  }

  /** The text with excluded ranges replaced by NUL characters. Its length, and so every index, stays the same. */
  get remaining(): string {
    if (this.#excluded.length === 0) return this.#remaining;
    let remaining = "";
    let done = 0;
    for (const [index, end] of this.#excluded.sort(([a], [b]) => a - b)) {
      if (end <= done) continue;
      remaining += this.#remaining.slice(done, index) + "\0".repeat(end - Math.max(done, index));
      done = end;
    }
    this.#excluded = [];
    this.#remaining = remaining + this.#remaining.slice(done);
    return this.#remaining;
  }

  /**
   * Returns true if a letter or digit directly precedes the index, so a number there is part of a longer word.
   *
   * A label of the given meaning may precede it without a space: `SSN123456789`.
   */
  isInsideWord(index: number, meaning: Meaning): boolean {
    const before = this.text[index - 1];
    if (before === undefined || !/[\p{L}\p{N}]/u.test(before)) return false;
    return !this.#allLabels().some((label) => label.end === index && label.meaning === meaning);
  }
}

/** Removes everything but the digits 0 to 9. */
export const digitsOf = (text: string) => text.replace(/\D/g, "");
