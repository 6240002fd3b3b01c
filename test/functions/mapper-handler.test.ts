import { describe, expect, it } from "vitest";
import type { Engine } from "../../bridge/engine.ts";
import { mapperHandler } from "../../functions/mapper-handler.ts";
import { aCore } from "../support/core.ts";
import { lambda, sqsRecord } from "./lambda.ts";

const anEvent = { id: "e-1", subject: "rate-1", data: { new_rate: 68 } };

/** Returns an engine whose store fails every write. */
function withoutStore(engine: Engine): Engine {
  const write = () => Promise.reject(new Error("throttled"));
  return { ...engine, store: Object.create(engine.store, { write: { value: write } }) };
}

describe("mapperHandler", () => {
  it("records an event's packets, enqueues them on their lanes and reports no failure", async () => {
    await using core = await aCore();
    await core.emit(anEvent);

    const { response } = await lambda(core, "inbox", mapperHandler(core.engine), { withGroup: false });

    expect(response.batchItemFailures).toEqual([]);
    expect((await core.only()).packet.fields).toEqual({ dailyRate: 68 });
    expect(await core.depth("lane:Fake@v1")).toBe(1);
    expect(await core.depth("inbox")).toBe(0);
  });

  it("quarantines and acknowledges a malformed event and maps the rest of the batch", async () => {
    await using core = await aCore();
    await core.emit("{ not JSON", anEvent, JSON.stringify({ id: "e-2", type: "policy.per_diem.updated" }));

    const { response } = await lambda(core, "inbox", mapperHandler(core.engine));

    expect(response.batchItemFailures).toEqual([]);
    const { events } = await core.engine.store.tally();
    expect(events).toMatchObject({ QUARANTINED: 2, EXPANDED: 1 });
    expect(await core.depth("inbox")).toBe(0);
  });

  it("changes nothing when Lambda delivers a message twice", async () => {
    await using core = await aCore();
    await core.emit(anEvent);
    const handler = mapperHandler(core.engine);
    const { messages } = await lambda(core, "inbox", handler);
    const before = await core.entries();

    const repeated = { Records: messages.map((message) => sqsRecord(message)) };
    const response = await handler(repeated, { getRemainingTimeInMillis: () => 30_000 });

    expect(response.batchItemFailures).toEqual([]);
    expect(await core.entries()).toEqual(before);
  });

  it("delays an event longer after each store failure, so that an outage does not dead-letter it", async () => {
    await using core = await aCore();
    await core.emit(anEvent);
    const handler = mapperHandler(withoutStore(core.engine));
    const waited: number[] = [];

    for (let i = 0; i < 7; i++) {
      const begun = core.clock.now();
      const { response } = await lambda(core, "inbox", handler);
      expect(response.batchItemFailures).toHaveLength(1);
      while ((await core.engine.queue.depth("inbox")).waiting === 0) await core.clock.advance(1_000);
      waited.push((core.clock.now() - begun) / 1_000);
    }

    expect(waited).toEqual([1, 2, 4, 8, 16, 32, 64]);
  });
});
