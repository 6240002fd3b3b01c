import { writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { compareSamples, notesOf } from "./comparison.ts";
import { machine } from "./machine.ts";
import type { MeasureRun } from "./measured-process.ts";
import type { CompareCommand } from "./options.ts";
import { hasChanges, resolveCommit } from "./other-tree.ts";
import { reportOf, threeDigits } from "./report.ts";
import { runRounds, type Sample } from "./rounds.ts";
import { scenarioNamed, withFloor } from "./scenarios.ts";

/** The two trees of a comparison. */
export interface Trees {
  readonly root: string;
  readonly otherTree: string;
  /** The other tree's full commit id. */
  readonly otherCommit: string;
}

/** Compares this tree with another commit, prints the report, and writes the raw figures if a file is given. */
export async function compareTrees(trees: Trees, command: CompareCommand, measure: MeasureRun): Promise<void> {
  const { root, otherTree, otherCommit } = trees;
  const { only, rounds, packets, json, against } = command;
  const scenarios = withFloor(only);
  const today = { commit: resolveCommit(root, "HEAD"), hasChanges: hasChanges(root) };
  const conditions = { ...machine(), load: loadavg()[0], today, other: { revision: against, commit: otherCommit } };
  const other = shortId(otherCommit);
  console.log(`today: ${shortId(today.commit)}${today.hasChanges ? " with changes" : ""}, other: ${other}`);
  console.log(`${rounds} rounds, ${packets} packets, ${conditions.cores} cores, load ${conditions.load?.toFixed(1)}\n`);
  const samples = await runRounds(
    {
      trees: { today: root, other: otherTree },
      scenarios,
      rounds,
      packets,
      onSample: (sample) => console.error(progressOf(sample, rounds)),
    },
    measure,
  );
  const rows = compareSamples(samples, scenarios);
  const notes = notesOf(samples);
  console.log(`\n${reportOf(rows, { other, rounds, notes })}`);
  if (json !== undefined) {
    writeFileSync(json, `${JSON.stringify({ ...conditions, rounds, packets, rows, samples }, null, 2)}\n`);
  }
}

function shortId(commit = "no commit"): string {
  return commit.slice(0, 9);
}

function progressOf({ round, side, scenario, figures }: Sample, rounds: number): string {
  const first = scenarioNamed(scenario).rows[0];
  const value = first?.value(figures, {}) ?? Number.NaN;
  const text = first && !Number.isNaN(value) ? `${first.label} ${threeDigits(value)} ${first.unit}` : "not measured";
  const which = round === 0 ? "warm-up" : `${round} of ${rounds}`;
  return `${which.padEnd(9)} ${scenario.padEnd(6)} ${side.padEnd(6)} ${text}`;
}
