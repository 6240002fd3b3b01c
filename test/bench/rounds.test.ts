import { expect, test } from "vitest";
import type { Run } from "../../bench/measured-process.ts";
import { runRounds } from "../../bench/rounds.ts";
import { row, type Scenario } from "../../bench/scenario.ts";

const trees = { today: "/today", other: "/other" };

function aScenario(name: string): Scenario {
  const run = () => Promise.reject(new Error("is not run here"));
  return { name, summary: name, rows: [row("wall", "s", "seconds")], run, lines: () => [] };
}

/** Records its runs instead of measuring. */
function aMeasure() {
  const runs: string[] = [];
  const measure = async ({ scenario, tree }: Run) => {
    runs.push(`${scenario.name} ${tree}`);
    return { figures: { seconds: runs.length }, notes: [] };
  };
  return { runs, measure };
}

test("both sides run each scenario in turns, and the side that goes first alternates", async () => {
  const { runs, measure } = aMeasure();
  const scenarios = [aScenario("floor"), aScenario("idle")];

  await runRounds({ trees, scenarios, rounds: 1, packets: 100, onSample: () => {} }, measure);

  expect(runs).toEqual([
    ...["floor /other", "floor /today", "idle /other", "idle /today"],
    ...["floor /today", "floor /other", "idle /today", "idle /other"],
  ]);
});

test("the warm-up round is reported while it runs, but its samples are not kept", async () => {
  const { measure } = aMeasure();
  const reported: number[] = [];

  const samples = await runRounds(
    {
      trees,
      scenarios: [aScenario("idle")],
      rounds: 2,
      packets: 100,
      onSample: ({ round }) => reported.push(round),
    },
    measure,
  );

  expect(reported).toEqual([0, 0, 1, 1, 2, 2]);
  expect(samples.map(({ round, side }) => `${round} ${side}`)).toEqual(["1 today", "1 other", "2 other", "2 today"]);
});
