import { describe, expect, it } from "vitest";
import { compareSamples, notesOf } from "../../bench/comparison.ts";
import { reportOf } from "../../bench/report.ts";
import type { Sample, Side } from "../../bench/rounds.ts";
import type { Figures } from "../../bench/scenario.ts";
import { withFloor } from "../../bench/scenarios.ts";

const scenarios = withFloor(["idle", "map"]);

function aSample(round: number, side: Side, scenario: string, figures: Figures): Sample {
  return { round, side, scenario, figures, notes: [] };
}

/** Two rounds in which today's idle median is as given, the other's 10 ms, and the floor 0.1 and 0.3 ms. */
function idleSamples(todayMs: readonly [number, number]): readonly Sample[] {
  return todayMs.flatMap((p50Ms, i) => [
    aSample(i + 1, "today", "floor", { p50Ms: 0.1 }),
    aSample(i + 1, "other", "floor", { p50Ms: i === 0 ? 0.3 : 0.1 }),
    aSample(i + 1, "today", "idle", { p50Ms }),
    aSample(i + 1, "other", "idle", { p50Ms: 10 }),
  ]);
}

const report = (samples: readonly Sample[]) =>
  reportOf(compareSamples(samples, scenarios), { other: "abc1234", rounds: 2, notes: notesOf(samples) });

describe("the report of a comparison", () => {
  it("reports a figure that was lower in every round with its ratio, spread and distance", () => {
    const text = report(idleSamples([8, 9]));

    expect(text).toMatch(/idle +p50 +ms +8\.5 +10 +0\.85 +0\.80–0\.90 +15 % lower/);
    expect(text).toContain("0 of 1 figure is within noise. Today differs in:\n  idle p50: 15 % lower");
  });

  it("reports figures as within noise if 1 is within the spread of their ratios", () => {
    const text = report(idleSamples([9, 11]));

    expect(text).toMatch(/idle +p50 +ms +10 +10 +1\.00 +0\.90–1\.10 +within noise/);
    expect(text).toContain("1 of 1 figure is within noise.");
  });

  it("divides by the mean of both sides' floors, and gives that row no verdict", () => {
    const text = report(idleSamples([10, 10]));

    expect(text).toMatch(/p50 ÷ floor +× +75 +75$/m);
  });

  it("warns if the floor differs, because both sides run the same one", () => {
    const samples = idleSamples([10, 10]).map((sample) =>
      sample.scenario === "floor" && sample.side === "other" ? { ...sample, figures: { p50Ms: 0.3 } } : sample,
    );

    expect(report(samples)).toContain("the machine was not steady");
    expect(report(idleSamples([10, 10]))).not.toContain("the machine was not steady");
  });

  it("leaves out a scenario that one side cannot run, and repeats its reason once", () => {
    const note = "not measured, because its map step is at an unknown path";
    const map = [1, 2].flatMap((round) => [
      aSample(round, "today", "map", { wallNsPerEvent: 200, cpuNsPerEvent: 190 }),
      { ...aSample(round, "other", "map", {}), notes: [note] },
    ]);

    const text = report([...idleSamples([10, 10]), ...map]);

    expect(text).not.toContain("wall per event");
    expect(text.split(`map, other: ${note}`)).toHaveLength(2);
  });
});
