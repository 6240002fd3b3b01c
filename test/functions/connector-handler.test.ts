import { describe, expect, it } from "vitest";
import { retry } from "../../bridge/model/outcome.ts";
import type { PacketRecord } from "../../bridge/model/packet-record.ts";
import { connectorHandler } from "../../functions/connector-handler.ts";
import { aCore, type Core, type FakeTarget, fakeTarget } from "../support/core.ts";
import { lambda } from "./lambda.ts";

const lane = "lane:Fake@v1";

/** Creates a bridge with a queued packet for each given entity, in order. */
async function withPackets(entities: readonly string[], target: FakeTarget = fakeTarget()) {
  const core = await aCore({ targets: [target] });
  await core.emit(
    ...entities.map((subject, i) => ({ id: `e-${i}`, subject, data: { new_rate: i + 1, note: `n${i}` } })),
  );
  await core.map();
  return { core, target, handler: connectorHandler(core.engine, target.connector) };
}

async function byEntity(core: Core): Promise<Map<string, PacketRecord[]>> {
  return Map.groupBy(await core.packets(), ({ packet }) => packet.entity);
}

const idsOf = (records: readonly PacketRecord[] = []) => records.map(({ packet }) => packet.id);
const statusesOf = (records: readonly PacketRecord[] = []) => records.map(({ progress }) => progress.status);

/** Returns the number of visible messages in the lane queue. They stay visible. */
async function visible({ engine }: Core): Promise<number> {
  const messages = await engine.queue.receive(lane, { max: 10, visibilityMs: 1_000, waitMs: 0 });
  await engine.queue.delay(
    lane,
    messages.map(({ receipt }) => ({ receipt, ms: 0 })),
  );
  return messages.length;
}

describe("connectorHandler", () => {
  it("delivers a batch and reports no failure", async () => {
    const { core, target, handler } = await withPackets(["a", "b"]);
    await using _ = core;

    const { response } = await lambda(core, lane, handler);

    expect(response.batchItemFailures).toEqual([]);
    expect(target.calls).toHaveLength(2);
    expect(statusesOf(await core.packets())).toEqual(["SENT", "SENT"]);
    expect(await core.depth(lane)).toBe(0);
  });

  it("holds back the lane of a failed message and no other", async () => {
    const { core, target, handler } = await withPackets(["a", "b", "b", "c"]);
    await using _ = core;
    target.behave = (packet) => (packet.entity === "b" ? retry("answered 503") : target.take(packet));

    const { failed } = await lambda(core, lane, handler);

    const packets = await byEntity(core);
    expect(failed).toEqual(idsOf(packets.get("b")));
    expect(statusesOf(packets.get("a"))).toEqual(["SENT"]);
    expect(statusesOf(packets.get("b"))).toEqual(["RETRY", "QUEUED"]);
    expect(statusesOf(packets.get("c"))).toEqual(["SENT"]);
    expect(target.calls.filter(({ entity }) => entity === "b")).toHaveLength(1);
  });

  it("delays the head of a lane and its followers together, for the back-off only", async () => {
    const { core, target, handler } = await withPackets(["b", "b"]);
    await using _ = core;
    target.behave = () => retry("answered 503");
    await lambda(core, lane, handler);

    await core.clock.advance(700);
    const early = await visible(core);
    await core.clock.advance(600);
    target.behave = (packet) => target.take(packet);
    const { response, messages } = await lambda(core, lane, handler);

    expect(early).toBe(0);
    expect(messages.map(({ receiveCount }) => receiveCount)).toEqual([2, 2]);
    expect(response.batchItemFailures).toEqual([]);
    expect(target.calls.map(({ fields }) => fields.note)).toEqual(["n0", "n0", "n1"]);
  });

  it("reads the lane from the packet if the queue reports no message group", async () => {
    const { core, target, handler } = await withPackets(["a", "b", "b"]);
    await using _ = core;
    target.behave = (packet) => (packet.entity === "b" ? retry("answered 503") : target.take(packet));

    const { failed } = await lambda(core, lane, handler, { withGroup: false });

    expect(failed).toEqual(idsOf((await byEntity(core)).get("b")));
    expect(target.calls.filter(({ entity }) => entity === "b")).toHaveLength(1);
  });

  it("starts no send with less than 8 s left and returns all messages at once", async () => {
    const { core, target, handler } = await withPackets(["a", "b"]);
    await using _ = core;

    const { failed } = await lambda(core, lane, handler, { remainingMs: 7_999 });

    expect(target.calls).toEqual([]);
    expect(failed).toHaveLength(2);
    expect(await visible(core)).toBe(2);
  });

  it("starts no send that the rate limit delayed until less than 8 s are left", async () => {
    const { core, target, handler } = await withPackets(["a", "b", "c"], fakeTarget({ perSecond: 1 }));
    await using _ = core;

    const called = lambda(core, lane, handler, { remainingMs: 9_000 });
    await core.clock.advance(30_000);
    const { failed } = await called;

    expect(target.calls).toHaveLength(1);
    expect(failed).toHaveLength(2);
    const waiting = (await core.packets()).filter(({ packet }) => failed.includes(packet.id));
    expect(waiting.map(({ progress }) => progress.lease)).toEqual([undefined, undefined]);
    expect(waiting.map(({ progress }) => progress.tries)).toEqual([0, 0]);
  });

  it("reports a failed message even if its delay could not be set", async () => {
    const { core, target } = await withPackets(["a"]);
    await using _ = core;
    target.behave = () => retry("answered 503");
    const queue = Object.create(core.engine.queue, {
      delay: { value: () => Promise.reject(new Error("SQS did not accept 1 of the batch")) },
    });

    const { failed } = await lambda(core, lane, connectorHandler({ ...core.engine, queue }, target.connector));

    expect(failed).toHaveLength(1);
    expect(core.lines.map(({ step }) => step)).toContain("delay-failed");
  });

  it("removes a message that is not one of its packets", async () => {
    const { core, target, handler } = await withPackets([]);
    await using _ = core;
    await core.engine.queue.send(lane, [{ group: "g", dedup: "1", body: "not a packet" }]);

    const { response } = await lambda(core, lane, handler);

    expect(response.batchItemFailures).toEqual([]);
    expect(target.calls).toEqual([]);
    expect(await core.depth(lane)).toBe(0);
  });

  it("throws for an event that is not an SQS event", async () => {
    const { core, handler } = await withPackets([]);
    await using _ = core;

    await expect(handler({ detail: {} }, { getRemainingTimeInMillis: () => 30_000 })).rejects.toThrow(
      /not an SQS event: Records/,
    );
  });
});
