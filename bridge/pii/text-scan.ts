import type { DataKind } from "./finding.ts";
import { type Label, labelOf, labelsIn, type Meaning } from "./labels.ts";

/** Where in a reading something was found. */
export interface Match {
  readonly kind: DataKind;
  readonly index: number;
  readonly end: number;
}

/** A text while it is searched: what one detector has found is gone for the next. */
export class TextScan {
  /** As it was read, whole. */
  readonly read: string;
  /** What the field's own name says. */
  readonly field: Meaning | undefined;
  readonly spots: Match[] = [];
  #left: string;
  /** Places that are gone, and still stand in what is left. */
  #gone: (readonly [index: number, end: number])[] = [];
  #labels: readonly Label[] | undefined;

  constructor(read: string, field: Meaning | undefined) {
    this.read = read;
    this.#left = read;
    this.field = field;
  }

  /** What the words around a place, or else the field's name, say of it. */
  labelOf(place: { readonly index: number; readonly end: number }) {
    return labelOf(this.read, this.#labelled(), place, this.field);
  }

  /** Whether a word of the text, or the field's name, says that something of a kind may be here. */
  speaksOf(meaning: Meaning): boolean {
    return this.field === meaning || this.#labelled().some((label) => label.meaning === meaning);
  }

  #labelled(): readonly Label[] {
    this.#labels ??= labelsIn(this.read);
    return this.#labels;
  }

  take(kind: DataKind, index: number, end: number): void {
    this.spots.push({ kind, index, end });
    this.blank(index, end);
  }

  /** Keeps a place from being searched: it is what it is, and no personal data. */
  blank(index: number, end: number): void {
    this.#gone.push([index, end]);
  }

  /** What is left to be searched: as long as the whole. */
  get left(): string {
    if (this.#gone.length === 0) return this.#left;
    let left = "";
    let done = 0;
    for (const [index, end] of this.#gone.sort(([a], [b]) => a - b)) {
      if (end <= done) continue;
      left += this.#left.slice(done, index) + "\0".repeat(end - Math.max(done, index));
      done = end;
    }
    this.#gone = [];
    this.#left = left + this.#left.slice(done);
    return this.#left;
  }

  /** A letter or a digit right before a number makes it another word, but where that word is its label: `SSN123456789`. */
  isGlued(index: number, meaning: Meaning): boolean {
    const before = this.read[index - 1];
    if (before === undefined || !/[\p{L}\p{N}]/u.test(before)) return false;
    return !this.#labelled().some((label) => label.end === index && label.meaning === meaning);
  }
}

export const digitsOf = (text: string) => text.replace(/\D/g, "");
