import type { MeasureRun } from "./measured-process.ts";
import type { Measurement, Scenario } from "./scenario.ts";

// Runs two trees in turns, so that a change of the machine's speed affects both.

export type Side = "today" | "other";

/** One measured run. */
export interface Sample extends Measurement {
  /** Counted from 1. Round 0 is the warm-up and is not kept. */
  readonly round: number;
  readonly side: Side;
  readonly scenario: string;
}

export interface RoundsPlan {
  readonly trees: Readonly<Record<Side, string>>;
  /** Each is run on both sides before the next one begins. */
  readonly scenarios: readonly Scenario[];
  readonly rounds: number;
  readonly packets: number;
  /** Called after each run, including those of the warm-up round. */
  readonly onSample: (sample: Sample) => void;
}

/** Runs a warm-up round and the counted rounds. The side that goes first alternates from round to round. */
export async function runRounds(plan: RoundsPlan, measure: MeasureRun): Promise<readonly Sample[]> {
  const { trees, scenarios, rounds, packets, onSample } = plan;
  const samples: Sample[] = [];
  for (let round = 0; round <= rounds; round++) {
    const sides: readonly Side[] = round % 2 === 0 ? ["other", "today"] : ["today", "other"];
    for (const scenario of scenarios) {
      for (const side of sides) {
        const measurement = await measure({ scenario, tree: trees[side], packets });
        const sample = { round, side, scenario: scenario.name, ...measurement };
        onSample(sample);
        if (round > 0) samples.push(sample);
      }
    }
  }
  return samples;
}
