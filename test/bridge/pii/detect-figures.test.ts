import { describe, expect, it } from "vitest";
import { detect } from "../../../bridge/pii/detect.ts";
import { generated } from "../../corpus/generated.ts";
import { heldOut } from "../../corpus/held-out.ts";
import { type Figures, handWritten, measure, precision, recall, table } from "../../corpus/measure.ts";

/** Prints the figures, which a reader wants to see even if they are within the limits. */
function report(name: string, figures: readonly Figures[]): void {
  console.log(`${name}\n${table(figures)}`);
}

describe("the detectors' figures", () => {
  it("show no miss and no false finding in the hand-written corpus", () => {
    const corpus = handWritten();
    const figures = measure(corpus);
    report(`by hand, ${corpus.length} lines`, figures);

    expect(figures.flatMap(({ missed, wrong }) => [...missed, ...wrong])).toEqual([]);
  });

  it("reach 98 % in the generated corpus", () => {
    const corpus = generated(101, 100);
    const figures = measure(corpus);
    report(`by rule, ${corpus.length} texts`, figures);

    for (const figure of figures) {
      expect(precision(figure), `precision of ${figure.kind}`).toBeGreaterThanOrEqual(0.98);
      expect(recall(figure), `recall of ${figure.kind}`).toBeGreaterThanOrEqual(0.98);
    }
  });

  it("reach 97 % in the held-out corpus", () => {
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
