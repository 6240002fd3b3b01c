import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { asked, figure, firstSeed, full } from "../reliability/figure.ts";
import { seededRandom } from "../support/clock.ts";
import { plan } from "./plan.ts";
import { type Run, simulate } from "./simulate.ts";

const runs = full ? 2_000 : asked ? 60 : 15;
const models = full ? 10_000 : asked ? 300 : 30;

function describeRun({ seed, broken, story }: Run): string {
  return [`seed ${seed}`, ...broken.map(({ law, about }) => `${law} ${about ?? ""}`), ...story].join("\n");
}

describe("the simulated world", () => {
  test(`${runs} histories keep every promise`, { timeout: 10_000 + runs * 5_000 }, async ({ task }) => {
    let packets = 0;
    for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
      const run = await simulate({ seed, events: 30 });
      expect(run.broken, describeRun(run)).toEqual([]);
      packets += run.packets;
    }
    figure(task, `${runs} histories, ${packets} packets`, { seed: `${firstSeed} to ${firstSeed + runs - 1}` });
  });

  test(`${models} sequences of acts keep every promise, and a failing one is reported in its shortest form`, {
    timeout: 60_000 + models * 1_000,
  }, async ({ task }) => {
    const history = fc
      .tuple(fc.nat(1_000_000), fc.nat(1_000_000))
      .chain(([seed, events]) =>
        fc.tuple(fc.constant(seed), fc.subarray(plan(seededRandom(events), 15, Date.parse("2026-03-01T12:00:00Z")))),
      );
    await fc.assert(
      fc.asyncProperty(history, async ([seed, acts]) => {
        const run = await simulate({ seed, acts });
        if (run.broken.length > 0) throw new Error(describeRun(run));
      }),
      { numRuns: models, seed: firstSeed },
    );
    figure(task, `${models} sequences`, { met: models >= 10_000, seed: firstSeed });
  });

  test("a seed is one history, call by call, and another seed is another", { timeout: 60_000 }, async () => {
    const [first, again, other] = [
      await simulate({ seed: 7 }),
      await simulate({ seed: 7 }),
      await simulate({ seed: 8 }),
    ];

    expect(again).toEqual(first);
    expect(other.fingerprint).not.toBe(first.fingerprint);
  });
});
