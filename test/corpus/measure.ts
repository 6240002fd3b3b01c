import { readFileSync } from "node:fs";
import { join } from "node:path";
import { detect } from "../../bridge/pii/detect.ts";
import { type DataKind, dataKinds } from "../../bridge/pii/finding.ts";
import type { Labelled } from "./labelled.ts";

/** How well a kind was found. */
export interface Figures {
  readonly kind: DataKind;
  /** Found of what is there. */
  readonly hits: number;
  readonly missed: readonly Labelled[];
  /** Found where nothing of the kind is. */
  readonly wrong: readonly (readonly [Labelled, string])[];
}

export function precision({ hits, wrong }: Figures): number {
  return hits + wrong.length === 0 ? 1 : hits / (hits + wrong.length);
}

export function recall({ hits, missed }: Figures): number {
  return hits + missed.length === 0 ? 1 : hits / (hits + missed.length);
}

/**
 * Holds the detectors against a corpus. A hit covers all that is marked, with the right kind, and overlaps nothing else:
 * what a mask would leave of it does not count.
 */
export function measure(corpus: readonly Labelled[]): Figures[] {
  const sums = new Map(
    dataKinds.map((kind) => [kind, { kind, hits: 0, missed: [] as Labelled[], wrong: [] as [Labelled, string][] }]),
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
      if (!sum) throw new Error(`${kind} is no kind`);
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

/** The corpus in this folder that was written by hand. */
export function handWritten(): Labelled[] {
  const text = readFileSync(join(import.meta.dirname, "hand-written.ndjson"), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Labelled);
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
