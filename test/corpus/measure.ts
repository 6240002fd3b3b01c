import { readFileSync } from "node:fs";
import { join } from "node:path";
import { detect } from "../../bridge/pii/detect.ts";
import { type DataKind, dataKinds } from "../../bridge/pii/finding.ts";
import type { LabeledText } from "./labeled-text.ts";

/** Accuracy of the detection of one kind. */
export interface Figures {
  readonly kind: DataKind;
  /** Number of labeled values that were found. */
  readonly hits: number;
  readonly missed: readonly LabeledText[];
  /** False findings, with the text found. */
  readonly wrong: readonly (readonly [LabeledText, string])[];
}

export function precision({ hits, wrong }: Figures): number {
  return hits + wrong.length === 0 ? 1 : hits / (hits + wrong.length);
}

export function recall({ hits, missed }: Figures): number {
  return hits + missed.length === 0 ? 1 : hits / (hits + missed.length);
}

/**
 * Runs the detectors on a corpus and counts hits and errors.
 *
 * A hit has the right kind and covers the whole labeled value, because a mask would leave the rest readable. Every other
 * finding is wrong.
 */
export function measure(corpus: readonly LabeledText[]): Figures[] {
  const sums = new Map(
    dataKinds.map((kind) => [
      kind,
      { kind, hits: 0, missed: [] as LabeledText[], wrong: [] as [LabeledText, string][] },
    ]),
  );
  for (const line of corpus) {
    const found = detect(line.text, line.field);
    const hit = new Set<number>();
    let from = 0;
    for (const [kind, text] of line.found) {
      const index = line.text.indexOf(text, from);
      if (index < 0) throw new Error(`"${text}" is not in "${line.text}"`);
      from = index + text.length;
      const i = found.findIndex((one, i) => !hit.has(i) && one.kind === kind && one.index <= index && one.end >= from);
      const sum = sums.get(kind as DataKind);
      if (!sum) throw new Error(`unknown kind ${kind}`);
      if (i < 0) sum.missed.push(line);
      else {
        hit.add(i);
        sum.hits++;
      }
    }
    for (const [i, { kind, index, end }] of found.entries()) {
      if (!hit.has(i)) sums.get(kind)?.wrong.push([line, line.text.slice(index, end)]);
    }
  }
  return [...sums.values()];
}

/** Returns the corpus in this folder that was written by hand. */
export function handWritten(): LabeledText[] {
  const text = readFileSync(join(import.meta.dirname, "hand-written.ndjson"), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as LabeledText);
}

export function table(figures: readonly Figures[]): string {
  return figures
    .map((figure) => {
      const { kind, hits, missed, wrong } = figure;
      const of = `${hits} of ${hits + missed.length}, ${wrong.length} wrong`;
      return `${kind.padEnd(10)} precision ${precision(figure).toFixed(3)}  recall ${recall(figure).toFixed(3)}  (${of})`;
    })
    .join("\n");
}
