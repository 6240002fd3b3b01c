import { describe, expect, it } from "vitest";
import { detect } from "../../../bridge/pii/detect.ts";
import { generated } from "../../corpus/generated.ts";
import { heldOut } from "../../corpus/held-out.ts";
import { type Figures, handWritten, measure, precision, recall, table } from "../../corpus/measure.ts";

/** Printed, because the figures are what one wants to know; the limits only keep them from getting worse unseen. */
function report(name: string, figures: readonly Figures[]): void {
  console.log(`${name}\n${table(figures)}`);
}

describe("the detectors' figures", () => {
  it("on what was written by hand: nothing missed, nothing wrong", () => {
    const corpus = handWritten();
    const figures = measure(corpus);
    report(`by hand, ${corpus.length} lines`, figures);

    expect(figures.flatMap(({ missed, wrong }) => [...missed, ...wrong])).toEqual([]);
  });

  it("on what was made by the rules they were worked against", () => {
    const corpus = generated(101, 100);
    const figures = measure(corpus);
    report(`by rule, ${corpus.length} texts`, figures);

    for (const figure of figures) {
      expect(precision(figure), `precision of ${figure.kind}`).toBeGreaterThanOrEqual(0.98);
      expect(recall(figure), `recall of ${figure.kind}`).toBeGreaterThanOrEqual(0.98);
    }
  });

  it("on what was made by other rules", () => {
    const corpus = heldOut(7, 150);
    const figures = measure(corpus);
    report(`held out, ${corpus.length} texts`, figures);

    for (const figure of figures) {
      expect(precision(figure), `precision of ${figure.kind}`).toBeGreaterThanOrEqual(0.97);
      expect(recall(figure), `recall of ${figure.kind}`).toBeGreaterThanOrEqual(0.97);
    }
  });

  it("tell a kind from another even where each text is in a field that says nothing", () => {
    const unnamed = generated(5, 20).map((line) => ({ ...line, field: "value" }));
    const said = unnamed.filter(({ found }) => found.length > 0);
    const right = said.filter(({ text, found }) =>
      detect(text).every(({ kind }) => found.some(([one]) => one === kind)),
    );

    expect(right.length / said.length).toBeGreaterThan(0.95);
  });
});
