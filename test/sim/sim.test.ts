import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { figure, firstSeed, full } from "../reliability/figure.ts";
import { seededRandom } from "../support/clock.ts";
import { plan } from "./plan.ts";
import { type Run, simulate } from "./simulate.ts";

const runs = full ? 2_000 : 15;
const models = full ? 10_000 : 30;

function describeRun({ seed, violations, story }: Run): string {
  return [`seed ${seed}`, ...violations.map(({ message, subject }) => `${message} ${subject ?? ""}`), ...story].join(
    "\n",
  );
}

describe("the simulated world", () => {
  test(`${runs} histories keep every guarantee`, {
    tags: ["row-8", "row-15", "row-18", "row-21", "row-23", "row-24", "row-30", "row-36", "row-40"],
    timeout: 10_000 + runs * 5_000,
  }, async ({ task }) => {
    let packets = 0;
    for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
      const run = await simulate({ seed, events: 30 });
      expect(run.violations, describeRun(run)).toEqual([]);
      packets += run.packets;
    }
    figure(task, `${runs} histories, ${packets} packets`, { seed: `${firstSeed} to ${firstSeed + runs - 1}` });
  });

  test(`${models} sequences of actions keep every guarantee, and a failing one is shrunk`, {
    tags: "row-10",
    timeout: 60_000 + models * 1_000,
  }, async ({ task }) => {
    const history = fc
      .tuple(fc.nat(1_000_000), fc.nat(1_000_000))
      .chain(([seed, events]) =>
        fc.tuple(fc.constant(seed), fc.subarray(plan(seededRandom(events), 15, Date.parse("2026-03-01T12:00:00Z")))),
      );
    await fc.assert(
      fc.asyncProperty(history, async ([seed, actions]) => {
        const run = await simulate({ seed, actions });
        if (run.violations.length > 0) throw new Error(describeRun(run));
      }),
      { numRuns: models, seed: firstSeed },
    );
    figure(task, `${models} sequences`, { met: models >= 10_000, seed: firstSeed });
  });

  test("the same seed repeats a history call by call, and another seed yields another", {
    timeout: 60_000,
  }, async () => {
    const [first, again, other] = [
      await simulate({ seed: 7 }),
      await simulate({ seed: 7 }),
      await simulate({ seed: 8 }),
    ];

    expect(again).toEqual(first);
    expect(other.fingerprint).not.toBe(first.fingerprint);
  });
});
