import { describe, expect, it } from "vitest";
import { onFirstCall } from "../../functions/batch.ts";

const context = { getRemainingTimeInMillis: () => 30_000 };

describe("onFirstCall", () => {
  it("makes the handler once, and not before it is called", async () => {
    let made = 0;
    const handler = onFirstCall(async () => {
      made++;
      return async () => ({ batchItemFailures: [] });
    });
    const before = made;

    await Promise.all([handler({}, context), handler({}, context)]);

    expect([before, made]).toEqual([0, 1]);
  });

  it("tries again at the next call where making it failed", async () => {
    let calls = 0;
    const handler = onFirstCall(async () => {
      if (++calls === 1) throw new Error("no key yet");
      return async () => ({ batchItemFailures: [] });
    });

    await expect(handler({}, context)).rejects.toThrow("no key yet");
    expect(await handler({}, context)).toEqual({ batchItemFailures: [] });
  });
});
