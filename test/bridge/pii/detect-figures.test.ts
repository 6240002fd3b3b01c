import { describe, expect, it } from "vitest";
import { detect } from "../../../bridge/pii/detect.ts";
import { generated } from "../../corpus/generated.ts";
import { heldOut } from "../../corpus/held-out.ts";
import { type Figures, handWritten, measure, precision, recall, table } from "../../corpus/measure.ts";

/** Prints the figures, even if they are within the limits. */
function report(name: string, figures: readonly Figures[]): void {
  console.log(`${name}\n${table(figures)}`);
}

describe("detection accuracy", () => {
  it("has no missed and no false finding in the hand-written corpus", () => {
    const corpus = handWritten();
    const figures = measure(corpus);
    report(`hand-written, ${corpus.length} lines`, figures);

    expect(figures.flatMap(({ missed, wrong }) => [...missed, ...wrong])).toEqual([]);
  });

  it("reaches 98 % in the generated corpus", () => {
    const corpus = generated(101, 100);
    const figures = measure(corpus);
    report(`generated, ${corpus.length} texts`, figures);

    for (const figure of figures) {
      expect(precision(figure), `precision of ${figure.kind}`).toBeGreaterThanOrEqual(0.98);
      expect(recall(figure), `recall of ${figure.kind}`).toBeGreaterThanOrEqual(0.98);
    }
  });

  it("reaches 97 % in the held-out corpus", () => {
    const corpus = heldOut(7, 150);
    const figures = measure(corpus);
    report(`held-out, ${corpus.length} texts`, figures);

    for (const figure of figures) {
      expect(precision(figure), `precision of ${figure.kind}`).toBeGreaterThanOrEqual(0.97);
      expect(recall(figure), `recall of ${figure.kind}`).toBeGreaterThanOrEqual(0.97);
    }
  });

  it("exceeds 95 % for the kinds of findings even if the field's name gives no hint", () => {
    const unnamed = generated(5, 20).map((line) => ({ ...line, field: "value" }));
    const personal = unnamed.filter(({ found }) => found.length > 0);
    const correct = personal.filter(({ text, found }) =>
      detect(text).every(({ kind }) => found.some(([labeled]) => labeled === kind)),
    );

    expect(correct.length / personal.length).toBeGreaterThan(0.95);
  });
});
