import { describe, expect, it } from "vitest";
import * as z from "zod";
import { callTarget } from "../../../bridge/delivery/call-target.ts";
import { contextOf } from "../../../bridge/delivery/connector-context.ts";
import { defineConnector } from "../../../bridge/model/connector.ts";
import { delivered, refused, retry } from "../../../bridge/model/outcome.ts";
import { aCore, type FakeTarget, fakeTarget, invariantViolations } from "../../support/core.ts";

const events = (count: number, subject = (i: number) => `lane-${i}`) =>
  Array.from({ length: count }, (_, i) => ({ id: `e${i}`, subject: subject(i), data: { new_rate: i } }));

const sizes = (target: FakeTarget) => target.batches.map((batch) => batch.length);

describe("a connector with sendBatch", () => {
  it("sends the lanes of a batch in one call", async () => {
    const target = fakeTarget({ bulk: true });
    await using core = await aCore({ targets: [target] });

    await core.emit(...events(25));
    await core.run();

    expect(sizes(target)).toEqual([10, 10, 5]);
    expect(target.state.size).toBe(25);
    expect(await invariantViolations(core, 25)).toEqual([]);
  });

  it("sends the packets of one lane in order, each in a call of its own", async () => {
    const target = fakeTarget({ bulk: true });
    await using core = await aCore({ targets: [target] });

    await core.emit(...events(9, (i) => `lane-${i % 3}`));
    await core.run();

    expect(target.batches.map((batch) => batch.map(({ fields }) => fields.dailyRate))).toEqual([
      [0, 1, 2],
      [3, 4, 5],
      [6, 7, 8],
    ]);
  });

  it("settles each packet by its own outcome, so one bad row does not fail the rest", async () => {
    const target = fakeTarget({ bulk: true });
    await using core = await aCore({ targets: [target] });
    target.behave = (packet) => {
      if (packet.entity === "lane-3") return refused("answered 422");
      return packet.entity === "lane-5" ? retry("answered 503") : target.take(packet);
    };

    await core.emit(...events(10));
    await core.run();

    const statuses = new Map((await core.packets()).map(({ packet, progress }) => [packet.entity, progress.status]));
    expect(statuses.get("lane-3")).toBe("HELD");
    expect(statuses.get("lane-5")).toBe("RETRY");
    expect([...statuses.values()].filter((status) => status === "SENT")).toHaveLength(8);
  });

  it("does not wait for a lane that has nothing to send or that fails before its send", async () => {
    const target = fakeTarget({ bulk: true });
    await using core = await aCore({ targets: [target] });
    await core.emit(...events(3));
    await core.map();
    const [failing] = await core.packets();
    const { store } = core.engine;
    const write: typeof store.write = async (puts, entries) => {
      if (puts.some(({ id }) => id === failing?.packet.id)) throw new Error("throttled");
      return store.write(puts, entries);
    };
    const broken = new Proxy(store, {
      get: (_, name) => (name === "write" ? write : Reflect.get(store, name).bind(store)),
    });

    await core.deliverBatch(target, { ...core.engine, store: broken });

    expect(sizes(target)).toEqual([2]);
    expect((await core.packets()).map(({ progress }) => progress.status).sort()).toEqual(["QUEUED", "SENT", "SENT"]);
  });

  it("calls once more with only those packets whose credentials were refused", async () => {
    const target = fakeTarget({ bulk: true });
    await using core = await aCore({ targets: [target] });
    target.behave = (packet, calls) =>
      packet.entity === "lane-1" && calls <= 3
        ? retry("refused the credentials", { auth: true, mayHaveLanded: false })
        : target.take(packet);

    await core.emit(...events(3));
    await core.run();

    expect(target.batches.map((batch) => batch.map(({ entity }) => entity))).toEqual([
      ["lane-0", "lane-1", "lane-2"],
      ["lane-1"],
    ]);
    expect((await core.packets()).every(({ progress }) => progress.status === "SENT" && progress.tries === 1)).toBe(
      true,
    );
  });

  it("treats every packet as possibly landed if the target does not answer in time", async () => {
    const target = fakeTarget({ bulk: true });
    await using core = await aCore({ targets: [target] });
    target.behave = () => new Promise(() => {});
    await core.emit(...events(3));
    await core.map();
    const packets = (await core.packets()).map(({ packet }) => packet);

    const calling = callTarget(core.engine, target.connector, packets);
    await expect.poll(() => target.batches.length).toBe(1);
    await core.clock.advance(core.engine.times.sendMs);

    expect(await calling).toEqual(
      Array(3).fill(retry("no answer within 5000 ms", { code: "no-answer", mayHaveLanded: true })),
    );
  });

  it("retries all packets if it returns too few outcomes", async () => {
    const target = fakeTarget({ bulk: true });
    await using core = await aCore({ targets: [target] });
    const incomplete = { ...target.connector, sendBatch: async () => [delivered()] };
    await core.emit(...events(2));
    await core.map();
    const packets = (await core.packets()).map(({ packet }) => packet);

    const outcomes = await callTarget(core.engine, incomplete, packets);

    expect(outcomes).toMatchObject(Array(2).fill({ kind: "retry", code: "threw", mayHaveLanded: true }));
  });

  it("counts each call, not each packet, toward its rate limit", async () => {
    const target = fakeTarget({ bulk: true, perSecond: 1 });
    await using core = await aCore({ targets: [target] });

    await core.emit(...events(10));
    await core.run();

    expect(target.state.size).toBe(10);
  });
});

describe("a connector with only sendBatch", () => {
  it("sends one packet as a batch of one", async () => {
    const connector = defineConnector({
      name: "Bulk",
      idempotent: true,
      config: z.looseObject({}),
      sendBatch: async (packets) => packets.map(({ entity }) => delivered({ at: entity })),
      probe: async () => true,
    });

    expect(await connector.send({ entity: "E-1" } as never, {} as never)).toEqual(delivered({ at: "E-1" }));
  });
});

describe("connector state", () => {
  it("keeps its value for the next attempt in any process and rejects a write based on an old read", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    const readState = async () => {
      const context = await contextOf(core.engine, target.connector, new AbortController().signal);
      if (!context.ok) throw new Error(context.reason);
      return context.value.memory;
    };
    const [one, other] = [await readState(), await readState()];

    expect(await one.get()).toBeUndefined();
    await one.set({ file: 1 });
    await one.set({ file: 2 });

    expect(await other.get()).toEqual({ file: 2 });
    await one.set({ file: 3 });
    await expect(other.set({ file: 3 })).rejects.toThrow("the state of Fake@v1 was changed by another process");
  });
});
