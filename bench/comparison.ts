import type { Sample, Side } from "./rounds.ts";
import type { Figures, Row, Scenario } from "./scenario.ts";
import { type Comparison, compareRounds } from "./statistics.ts";

/** One line of the comparison's table. */
export interface ComparedRow extends Comparison {
  readonly scenario: string;
  readonly label: string;
  readonly unit: Row["unit"];
  readonly isContext: boolean;
}

/** Compares every row of every scenario. Omits a row if one side has no figure for it; the notes give the reason. */
export function compareSamples(samples: readonly Sample[], scenarios: readonly Scenario[]): readonly ComparedRow[] {
  const rounds = [...Map.groupBy(samples, ({ round }) => round).values()];
  return scenarios.flatMap(({ name, rows }) =>
    rows.flatMap(({ label, unit, value, isContext = false }) => {
      const pairs = rounds.map((round) => {
        const floor = meanOf(figuresOf(round, "today", "floor"), figuresOf(round, "other", "floor"));
        const read = (side: Side) => value(figuresOf(round, side, name), floor);
        return { today: read("today"), other: read("other") };
      });
      const isComplete = pairs.every(({ today, other }) => Number.isFinite(today) && Number.isFinite(other));
      return isComplete ? [{ scenario: name, label, unit, isContext, ...compareRounds(pairs) }] : [];
    }),
  );
}

function figuresOf(round: readonly Sample[], side: Side, scenario: string): Figures {
  return round.find((sample) => sample.side === side && sample.scenario === scenario)?.figures ?? {};
}

/** Returns the mean of both sides' floors. Both run the same program, so the mean is the better estimate. */
function meanOf(today: Figures, other: Figures): Figures {
  return Object.fromEntries(
    Object.entries(today).map(([name, value]) => [name, (value + (other[name] ?? Number.NaN)) / 2]),
  );
}

/** Returns each distinct reason for a missing figure. */
export function notesOf(samples: readonly Sample[]): readonly string[] {
  const notes = samples.flatMap(({ scenario, side, notes }) => notes.map((note) => `${scenario}, ${side}: ${note}`));
  return [...new Set(notes)];
}
