import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { shareOf } from "../../functions/concurrency.ts";

describe("shareOf", () => {
  it("keeps all processes together within a connector's rate", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 1_000 }), fc.integer({ min: 1, max: 10_000 }), (concurrency, perSecond) => {
        const { processes, rate } = shareOf({ concurrency, perSecond });

        expect(processes).toBeGreaterThanOrEqual(2);
        expect(processes * rate.concurrency).toBeLessThanOrEqual(concurrency);
        expect(processes * (rate.perSecond ?? 0)).toBeCloseTo(perSecond);
      }),
    );
  });
});
