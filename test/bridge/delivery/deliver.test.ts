import { describe, expect, it } from "vitest";
import * as z from "zod";
import { changeHealth } from "../../../bridge/delivery/circuit-breaker.ts";
import { type ConnectorWorker, deliver } from "../../../bridge/delivery/deliver.ts";
import type { Engine } from "../../../bridge/engine.ts";
import { delivered, refused, retry } from "../../../bridge/model/outcome.ts";
import { aCore, type FakeTarget, fakeTarget, invariantViolations } from "../../support/core.ts";

const strictSheet = `
source_event: policy.per_diem.updated
targets:
  fake: { connector: Fake, map: { new_rate: rate } }
`;

function workerOf({ connector }: FakeTarget): ConnectorWorker {
  return { connector, owner: "o", acquire: async () => () => {} };
}

/** Returns an engine whose process ends after its first send, before it records the outcome or removes a message. */
function endingAfterSend(engine: Engine, { state }: FakeTarget): Engine {
  const store = new Proxy(engine.store, {
    get: (port, key) =>
      key === "write" && state.size > 0
        ? () => Promise.reject(new Error("the process has ended"))
        : Reflect.get(port, key).bind(port),
  });
  return { ...engine, store };
}

describe("deliver", () => {
  it("sends the changed fields and closes the packet as SENT", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });

    await core.emit({ id: "c-1", subject: "rate-1", data: { new_rate: 68, old_rate: 62 } });
    await core.run();

    expect(target.state.get("rate-1")).toEqual({ dailyRate: 68 });
    const { packet, progress } = await core.only();
    expect(progress).toMatchObject({ status: "SENT", tries: 1 });
    expect(await core.steps(packet.id)).toEqual(["QUEUED", "SENT"]);
    expect(await core.depth(`lane:${target.id}`)).toBe(0);
  });

  it("holds back only the lane of a failed message", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.behave = (packet) => (packet.entity === "bad" ? retry("answered 500") : target.take(packet));

    await core.emit(
      { id: "1", subject: "bad", data: { new_rate: 1 } },
      { id: "2", subject: "bad", data: { new_rate: 2 } },
      { id: "3", subject: "good", data: { new_rate: 3 } },
      { id: "4", subject: "other", data: { new_rate: 4 } },
    );
    await core.run();

    const byEvent = new Map((await core.packets()).map((record) => [record.packet.fields.dailyRate, record.progress]));
    expect(byEvent.get(1)).toMatchObject({ status: "RETRY", tries: 1 });
    expect(byEvent.get(2)).toMatchObject({ status: "QUEUED", tries: 0 });
    expect(byEvent.get(3)).toMatchObject({ status: "SENT" });
    expect(byEvent.get(4)).toMatchObject({ status: "SENT" });
  });

  it.each(Array.from({ length: 10 }, (_, i) => i))(
    "holds back only the lane of a poison packet at place %i of a batch of three lanes",
    { tags: "row-11" },
    async (place) => {
      const target = fakeTarget();
      await using core = await aCore({ targets: [target] });
      target.behave = (packet) => (packet.fields.dailyRate === place ? retry("answered 500") : target.take(packet));

      await core.emit(
        ...Array.from({ length: 10 }, (_, i) => ({ id: `e${i}`, subject: `lane-${i % 3}`, data: { new_rate: i } })),
      );
      await core.run();

      const waiting = (await core.packets()).filter(({ progress }) => progress.status !== "SENT");
      expect(new Set(waiting.map(({ packet }) => packet.entity))).toEqual(new Set([`lane-${place % 3}`]));
      expect(waiting.map(({ packet }) => packet.fields.dailyRate)).toEqual(
        Array.from({ length: 10 }, (_, i) => i).filter((i) => i >= place && i % 3 === place % 3),
      );
      expect(await invariantViolations(core, 10)).toEqual([]);
    },
  );

  it("waits 1, 2, 4, 8, 15 and 30 s with jitter, then moves the packet to the outbox", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.behave = () => retry("answered 500", { status: 500 });
    const waits: number[] = [];

    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.run();
    for (let record = await core.only(); record.progress.status === "RETRY"; record = await core.only()) {
      const wait = (record.progress.nextTryAt as number) - core.clock.now();
      waits.push(wait);
      await core.clock.advance(wait - 1);
      await core.run();
      expect(target.calls).toHaveLength(waits.length);
      await core.clock.advance(1);
      await core.run();
    }

    const backoff = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000];
    expect(waits).toHaveLength(6);
    for (const [i, wait] of waits.entries()) {
      expect(wait).toBeGreaterThanOrEqual((backoff[i] as number) * 0.8);
      expect(wait).toBeLessThanOrEqual((backoff[i] as number) * 1.2 + 1);
    }
    const { packet, progress } = await core.only();
    expect(progress).toMatchObject({ status: "QUEUED", place: "outbox", tries: 7, reason: "answered 500" });
    expect(await core.depth(`outbox:${target.id}`)).toBe(1);
    expect(await core.depth(`lane:${target.id}`)).toBe(0);
    expect(await core.steps(packet.id)).toEqual(["QUEUED", ...Array(6).fill("RETRY"), "QUEUED"]);
  });

  it("delays the messages behind a failed one by the same time", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.behave = () => retry("answered 500");
    await core.emit({ id: "1", data: { new_rate: 1 } }, { id: "2", data: { new_rate: 2 } });

    await core.map();
    const dispositions = await core.deliverBatch(target);

    const delays = dispositions.map((disposition) => (disposition.kind === "delay" ? disposition.ms : -1));
    expect(delays).toHaveLength(2);
    expect(delays[0]).toBeGreaterThan(0);
    expect(delays[1]).toBe(delays[0]);
    expect(target.calls).toHaveLength(1);
  });

  it.each([
    { afterMs: 20_000, atLeast: 20_000, atMost: 20_000 },
    { afterMs: 999_999_999_000, atLeast: 300_000, atMost: 300_000 },
    { afterMs: 0, atLeast: 800, atMost: 1_201 },
  ])(
    "waits for a Retry-After of $afterMs ms within its limits",
    { tags: "row-15" },
    async ({ afterMs, atLeast, atMost }) => {
      const target = fakeTarget();
      await using core = await aCore({ targets: [target] });
      target.behave = () => retry("answered 429", { status: 429, afterMs, mayHaveLanded: false });

      await core.emit({ id: "c-1", data: { new_rate: 1 } });
      await core.run();

      const { progress } = await core.only();
      const wait = (progress.nextTryAt as number) - core.clock.now();
      expect(wait).toBeGreaterThanOrEqual(atLeast);
      expect(wait).toBeLessThanOrEqual(atMost);
    },
  );

  it("uses the same packet id for every attempt", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.behave = (packet, call) => {
      target.take(packet);
      return call < 4 ? retry("the answer broke off") : delivered();
    };

    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.rest();

    expect(target.calls).toHaveLength(4);
    expect(new Set(target.calls.map(({ id }) => id)).size).toBe(1);
    expect([...target.effects.values()]).toEqual([1]);
    expect((await core.only()).progress.status).toBe("SENT");
  });

  it("ends an attempt at its deadline if the target never answers", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.behave = () => new Promise(() => {});
    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.map();

    const delivering = core.deliverBatch(target);
    await core.clock.advance(5_000);
    await delivering;

    expect((await core.only()).progress).toMatchObject({ status: "RETRY", reason: "no answer within 5000 ms" });
  });

  it("does not send a packet that another process has leased", { tags: "row-12" }, async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.map();
    const { packet } = await core.only();
    await leased(core.engine, packet.id, core.clock.now() + 10_000);

    const dispositions = await core.deliverBatch(target);

    expect(target.calls).toHaveLength(0);
    expect(dispositions).toMatchObject([{ kind: "delay", ms: 10_000 }]);
  });

  it("retries with the same key after a crash between claim and settling", { tags: "row-12" }, async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.map();
    const dies = dyingAfterSend(core.engine);

    await core.deliverBatch(target, dies);
    await core.rest();

    expect(target.calls.length).toBeGreaterThan(1);
    expect([...target.effects.values()]).toEqual([1]);
    expect((await core.only()).progress.status).toBe("SENT");
  });

  it("holds a packet whose send was cut off if the target cannot detect duplicates", { tags: "row-12" }, async () => {
    const target = fakeTarget({ idempotent: false });
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.map();

    await core.deliverBatch(target, dyingAfterSend(core.engine));
    await core.rest();

    expect(target.calls).toHaveLength(1);
    expect((await core.only()).progress.status).toBe("HELD");
    expect((await core.only()).progress.reason).toMatch(/cannot detect duplicates/);
  });

  it("holds a packet whose send was cut off even if the queue loses its message", async () => {
    const target = fakeTarget({ idempotent: false });
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.map();
    const queue = `lane:${target.id}` as const;
    await core.deliverBatch(target, dyingAfterSend(core.engine));
    await core.clock.advance(400_000);
    const [message] = await core.engine.queue.receive(queue, { max: 1, visibilityMs: 1_000, waitMs: 0 });
    await core.engine.queue.remove(queue, [message?.receipt as string]);

    await core.rest();

    expect(target.calls).toHaveLength(1);
    expect((await core.only()).progress.status).toBe("HELD");
  });

  it("holds a packet that may have landed, without a second attempt, if the target is not idempotent", async () => {
    const target = fakeTarget({ idempotent: false });
    await using core = await aCore({ targets: [target] });
    target.behave = (packet) => {
      target.take(packet);
      return retry("the answer broke off", { mayHaveLanded: true });
    };

    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.rest();

    expect(target.calls).toHaveLength(1);
    expect((await core.only()).progress.status).toBe("HELD");
    const { packet } = await core.only();
    expect((await core.engine.store.chain(packet.id)).at(-1)?.facts).toMatchObject({ reason: "unknown" });
  });

  it("retries a send that cannot have landed, even if the target is not idempotent", async () => {
    const target = fakeTarget({ idempotent: false });
    await using core = await aCore({ targets: [target] });
    target.behave = (packet, call) =>
      call === 1 ? retry("nobody listens there", { mayHaveLanded: false }) : target.take(packet);

    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.rest();

    expect(target.calls).toHaveLength(2);
    expect((await core.only()).progress.status).toBe("SENT");
  });

  it("holds a refused packet after one attempt, with the target's answer in its record and not in the ledger", {
    tags: "row-16",
  }, async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.behave = () => refused("answered 422", { status: 422, answer: '{"error":"no such rate"}' });

    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.rest();

    expect(target.calls).toHaveLength(1);
    expect((await core.only()).progress).toMatchObject({ status: "HELD", answer: '{"error":"no such rate"}' });
    expect(JSON.stringify(await core.entries())).not.toContain("no such rate");
  });

  it("retries after a connector throws, and records only the error's name", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.behave = (packet, call) => {
      if (call === 1) throw new TypeError("cannot read 123-45-6789");
      return target.take(packet);
    };

    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.run();

    expect((await core.only()).progress).toMatchObject({ status: "RETRY", reason: "the connector failed: TypeError" });
    await core.rest();
    expect((await core.only()).progress.status).toBe("SENT");
  });

  it("fetches fresh credentials once, in the same attempt, if the first were refused", { tags: "row-23" }, async () => {
    const target = fakeTarget({ secret: z.looseObject({ token: z.string() }) });
    await using core = await aCore({ targets: [target] });
    let refreshes = 0;
    const secrets: Engine["secrets"] = {
      get: async () => ({ token: `t${refreshes}` }),
      refresh: async () => void refreshes++,
    };
    target.behave = (packet, call) =>
      call === 1
        ? retry("refused the credentials (401)", { status: 401, mayHaveLanded: false, auth: true })
        : target.take(packet);

    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.run({ ...core.engine, secrets });

    expect(refreshes).toBe(1);
    expect((await core.only()).progress).toMatchObject({ status: "SENT", tries: 1 });
  });

  it.each([
    ["missing", async () => undefined],
    ["unreadable", () => Promise.reject(new Error("AccessDenied: token=abc"))],
  ])(
    "retries instead of holding the packet while the connector's secret is %s, and leaks no error text",
    { tags: "row-23" },
    async (_, get) => {
      const target = fakeTarget({ idempotent: false, secret: z.looseObject({ token: z.string() }) });
      await using core = await aCore({ targets: [target] });
      const engineWithoutSecret = { ...core.engine, secrets: { get, refresh: async () => {} } };
      await core.emit({ id: "c-1", data: { new_rate: 1 } });

      await core.run(engineWithoutSecret);
      const waiting = await core.only();
      await core.clock.advance(2_000);
      await core.run({ ...core.engine, secrets: { get: async () => ({ token: "t" }), refresh: async () => {} } });

      expect(waiting.progress.status).toBe("RETRY");
      expect(JSON.stringify([waiting, core.lines])).not.toContain("token=abc");
      expect((await core.only()).progress.status).toBe("SENT");
    },
  );

  it("retries instead of holding the packet if reading the secret exceeds the send deadline", {
    tags: "row-23",
  }, async () => {
    const target = fakeTarget({ idempotent: false, secret: z.looseObject({ token: z.string() }) });
    await using core = await aCore({ targets: [target] });
    const slow = { ...core.engine, secrets: { get: () => new Promise<unknown>(() => {}), refresh: async () => {} } };
    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.map();

    const delivering = core.deliverBatch(target, slow);
    await core.clock.advance(5_000);
    await delivering;

    expect(target.calls).toHaveLength(0);
    expect((await core.only()).progress.status).toBe("RETRY");
  });

  it("drops a message that is not a packet or has no record", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    const queue = `lane:${target.id}` as const;

    await core.engine.queue.send(queue, [
      { group: "a", body: "not json" },
      { group: "b", body: JSON.stringify({ id: "pkt-forged", shadow: "x", fields: { dailyRate: 1 } }) },
      { group: "c", body: "null" },
      { group: "d", body: JSON.stringify({ id: { toString: "x" }, shadow: [] }) },
    ]);
    await core.run();

    expect(target.calls).toHaveLength(0);
    expect(await core.depth(queue)).toBe(0);
  });

  it("sends the table's copy of a packet, not the message's", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.map();
    const { packet } = await core.only();
    const queue = `lane:${target.id}` as const;
    const [message] = await core.engine.queue.receive(queue, { max: 1, visibilityMs: 1_000, waitMs: 0 });
    await core.engine.queue.remove(queue, [message?.receipt as string]);

    const forged = { ...packet, fields: { dailyRate: 9_999 } };
    await core.engine.queue.send(queue, [{ group: packet.lane, body: JSON.stringify(forged) }]);
    await core.run();

    expect(target.state.get(packet.entity)).toEqual({ dailyRate: 1 });
  });

  it("acknowledges a closed packet's message without sending it again", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.run();
    const { packet } = await core.only();

    await core.engine.queue.send(`lane:${target.id}`, [{ group: packet.lane, body: JSON.stringify(packet) }]);
    await core.run();

    expect(target.calls).toHaveLength(1);
    expect(await core.steps(packet.id)).toEqual(["QUEUED", "SENT"]);
  });

  it("starts no send after the worker's last start", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.map();
    const [message] = await core.engine.queue.receive(`lane:${target.id}`, { max: 1, visibilityMs: 1_000, waitMs: 0 });
    const worker = {
      connector: target.connector,
      owner: "o",
      acquire: async () => () => {},
      lastStart: core.clock.now() - 1,
    };

    const dispositions = await deliver(core.engine, worker, [message as NonNullable<typeof message>]);

    expect(target.calls).toHaveLength(0);
    expect(dispositions).toMatchObject([{ kind: "delay", ms: 0 }]);
    expect((await core.only()).progress.lease).toBeUndefined();
  });

  it("sends nothing under a lease that expired during the wait for the rate limit", { tags: "row-12" }, async () => {
    const target = fakeTarget({ idempotent: false });
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.map();
    const queue = `lane:${target.id}` as const;
    const batch = () => core.engine.queue.receive(queue, { max: 1, visibilityMs: 40_000, waitMs: 0 });
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const slow = { connector: target.connector, owner: "slow", acquire: () => gate.then(() => () => {}) };
    const quick = { connector: target.connector, owner: "quick", acquire: async () => () => {} };

    const waiting = deliver(core.engine, slow, await batch());
    await core.clock.advance(41_000);
    await deliver(core.engine, quick, await batch());
    open();
    await waiting;

    expect(target.calls.length).toBeLessThanOrEqual(1);
    const { progress } = await core.only();
    expect(progress.status === "SENT" ? target.calls.length : progress.status).toBe(target.calls.length || "HELD");
    expect(core.lines.filter(({ step }) => step === "deliver-failed")).toEqual([]);
  });

  it("starts no send once the queue may have given its messages to another worker", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.map();
    const { engine, clock } = core;
    const { visibilityMs, sendMs } = engine.times;
    const batch = await engine.queue.receive(`lane:${target.id}`, { max: 1, visibilityMs, waitMs: 0 });
    const { promise, resolve } = Promise.withResolvers<void>();
    const stopped = { connector: target.connector, owner: "o", acquire: () => promise.then(() => () => {}) };

    const delivering = deliver(engine, stopped, batch);
    await clock.advance(visibilityMs - sendMs + 1);
    resolve();

    expect(await delivering).toMatchObject([{ kind: "delay", ms: 0 }]);
    expect(target.calls).toHaveLength(0);
    expect((await core.only()).progress.lease).toBeUndefined();
  });

  it("sends nothing after a parked packet in its lane, because a crash would redeliver the parked one later", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], times: { backoffMs: [1_000] } });
    target.behave = (packet) => (packet.fields.dailyRate === 1 ? retry("answered 500") : target.take(packet));
    await core.emit(
      { id: "1", subject: "boston", data: { new_rate: 1 } },
      { id: "2", subject: "boston", data: { new_rate: 2 } },
    );
    await core.run();
    await core.clock.advance(1_500);
    const { engine } = core;
    const { visibilityMs } = engine.times;
    const batch = await engine.queue.receive(`lane:${target.id}`, { max: 10, visibilityMs, waitMs: 0 });

    await deliver(endingAfterSend(engine, target), workerOf(target), batch);
    target.behave = (packet) => target.take(packet);
    await core.clock.advance(visibilityMs + 1);
    await core.rest();

    expect(batch).toHaveLength(2);
    expect(target.state.get("boston")).toMatchObject({ dailyRate: 2 });
    expect((await core.packets()).map(({ progress }) => progress.status).sort()).not.toContain("QUEUED");
  });

  it("resends a packet that may have landed under a new key if an older value was sent to the record since", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    const { engine, clock } = core;
    const lane = `lane:${target.id}` as const;
    const now = clock.now();
    const rate = (id: string, time: number, new_rate: number) => {
      return { id, subject: "boston", time: new Date(time).toISOString(), data: { new_rate } };
    };
    await core.emit(rate("newer", now - 1_000, 2));
    await core.map();
    const batch = await engine.queue.receive(lane, { max: 10, visibilityMs: 1_000, waitMs: 0 });
    await deliver(endingAfterSend(engine, target), workerOf(target), batch);
    await engine.queue.remove(
      lane,
      batch.map(({ receipt }) => receipt),
    );

    await core.emit(rate("older", now - 60_000, 1));
    await core.run();
    expect(target.state.get("boston")).toEqual({ dailyRate: 1 });
    await clock.advance(engine.times.putBackMs + engine.times.leaseMs);
    await core.rest();

    expect(target.state.get("boston")).toEqual({ dailyRate: 2 });
    expect(Object.fromEntries(target.effects)).toMatchObject({ [batch[0] ? JSON.parse(batch[0].body).id : ""]: 1 });
    const ends = (await core.packets()).map(({ packet, progress }) => [packet.event, progress.status]);
    expect(ends.map(([, status]) => status).sort()).toEqual(["SENT", "SENT", "SUPERSEDED"]);
    expect(await invariantViolations(core, 2)).toEqual([]);
  });

  it("parks the packets of a paused connector without calling it", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await changeHealth(core.engine, target.id, (health) => ({ ...health, paused: true }));

    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.run();

    expect(target.calls).toHaveLength(0);
    expect((await core.only()).progress).toMatchObject({
      status: "QUEUED",
      place: "outbox",
      reason: "the connector is paused",
    });
  });

  describe("strict lane", () => {
    const strict = () => fakeTarget({ order: "strict" });

    it("sends every packet, including equal and older values, and keeps no shadow", async () => {
      const target = strict();
      await using core = await aCore({ targets: [target], sheets: { s: strictSheet } });

      await core.emit(
        { id: "1", subject: "j", sequence: 1, data: { new_rate: 5 } },
        { id: "2", subject: "j", sequence: 2, data: { new_rate: 5 } },
      );
      await core.rest();

      expect(target.calls.map(({ fields }) => fields.rate)).toEqual([5, 5]);
      expect(await core.shadow((await core.packets())[0]?.packet as never)).toBeUndefined();
    });

    it("sends only the oldest open packet, and requeues the next when it closes", async () => {
      const target = strict();
      await using core = await aCore({ targets: [target], sheets: { s: strictSheet }, times: { backoffMs: [1_000] } });
      let failing = true;
      target.behave = (packet) => (failing && packet.fields.rate === 1 ? retry("answered 500") : target.take(packet));
      const journal = Array.from({ length: 5 }, (_, i) => ({
        id: `${i + 1}`,
        subject: "j",
        sequence: i + 1,
        data: { new_rate: i + 1 },
      }));

      await core.emit(...journal);
      await core.run();
      await core.clock.advance(2_000);
      await core.run();
      const waiting = await core.packets();
      failing = false;
      await core.rest();

      expect(waiting.map(({ progress }) => progress.place)).toEqual(["outbox", "behind", "behind", "behind", "behind"]);
      expect(waiting[1]?.progress.behind).toBe(waiting[0]?.packet.id);
      expect(waiting[1]?.progress.reason).toBe(`behind ${waiting[0]?.packet.id}`);
      const taken = target.calls.map(({ fields }) => fields.rate).filter((rate, i, all) => rate !== all[i - 1]);
      expect(taken).toEqual([1, 2, 3, 4, 5]);
      expect((await core.packets()).every(({ progress }) => progress.status === "SENT")).toBe(true);
    });

    it("requeues the next packet as soon as the head closes, without the watchdog", async () => {
      const target = strict();
      await using core = await aCore({ targets: [target], sheets: { s: strictSheet }, times: { backoffMs: [1_000] } });
      target.behave = () => retry("answered 500");
      await core.emit(...[1, 2, 3].map((n) => ({ id: `${n}`, subject: "j", sequence: n, data: { new_rate: n } })));
      await core.run();
      await core.clock.advance(2_000);
      await core.run();
      expect((await core.packets()).map(({ progress }) => progress.place)).toEqual(["outbox", "behind", "behind"]);

      target.behave = target.take;
      await core.engine.queue.startMove(`outbox:${target.id}`, 500);
      await core.clock.advance(100);
      await core.run();

      expect((await core.packets()).map(({ progress }) => progress.status)).toEqual(["SENT", "SENT", "SENT"]);
    });

    it("sends by sequence, in whatever order the queue delivers", async () => {
      const target = strict();
      await using core = await aCore({ targets: [target], sheets: { s: strictSheet } });

      await core.emit(
        ...[4, 2, 5, 1, 3].map((n) => ({ id: `${n}`, subject: "j", sequence: n, data: { new_rate: n } })),
      );
      await core.map();
      await core.rest();

      expect(target.calls.map(({ fields }) => fields.rate)).toEqual([1, 2, 3, 4, 5]);
    });

    it("keeps a lane waiting behind a held head, but no other lane", async () => {
      const target = strict();
      await using core = await aCore({ targets: [target], sheets: { s: strictSheet } });
      target.behave = (packet) => (packet.fields.rate === 1 ? refused("answered 422") : target.take(packet));

      await core.emit(
        { id: "1", subject: "j", sequence: 1, data: { new_rate: 1 } },
        { id: "2", subject: "j", sequence: 2, data: { new_rate: 2 } },
        { id: "3", subject: "k", sequence: 3, data: { new_rate: 3 } },
      );
      await core.rest(600_000);

      const states = (await core.packets()).map(({ progress }) => `${progress.status} ${progress.place}`);
      expect(states).toEqual(["HELD lane", "QUEUED behind", "SENT lane"]);
    });

    it("makes one lane of a whole connector with `lane: connector`", async () => {
      const target = fakeTarget({ order: "strict", lane: "connector" });
      await using core = await aCore({ targets: [target], sheets: { s: strictSheet } });
      let failing = true;
      target.behave = (packet) => (failing && packet.entity === "a" ? retry("answered 500") : target.take(packet));

      await core.emit(
        { id: "1", subject: "a", data: { new_rate: 1 } },
        { id: "2", subject: "b", data: { new_rate: 2 } },
      );
      await core.run();
      const before = target.calls.map(({ entity }) => entity);
      failing = false;
      await core.rest();

      expect(before).toEqual(["a"]);
      expect(target.calls.map(({ entity }) => entity)).toEqual(["a", "a", "b"]);
    });

    it("holds a packet that may have landed, and an older one that arrives meanwhile as late", async () => {
      const target = fakeTarget({ order: "strict", idempotent: false });
      await using core = await aCore({ targets: [target], sheets: { s: strictSheet } });
      await core.emit({ id: "5", subject: "j", sequence: 5, data: { new_rate: 5 } });
      await core.map();
      await core.deliverBatch(target, dyingAfterSend(core.engine));
      await core.emit({ id: "3", subject: "j", sequence: 3, data: { new_rate: 3 } });
      await core.map();

      await core.rest();

      expect(target.calls.map(({ fields }) => fields.rate)).toEqual([5]);
      expect(
        (await core.packets()).map(({ packet, progress: { status, late } }) => [packet.fields.rate, status, late]),
      ).toEqual([
        [5, "HELD", undefined],
        [3, "HELD", true],
      ]);
    });
  });
});

/** Returns an engine whose process ends after a send, before it records the outcome. */
function dyingAfterSend(engine: Engine): Engine {
  let claimed = false;
  const store = new Proxy(engine.store, {
    get(target, name) {
      const member = Reflect.get(target, name, target);
      if (name !== "write") return typeof member === "function" ? member.bind(target) : member;
      return (...args: Parameters<typeof engine.store.write>) => {
        if (claimed) throw new Error("the process has ended");
        claimed = args[0].some((put) => put.kind === "packet" && put.value.progress.lease);
        return target.write(...args);
      };
    },
  });
  return { ...engine, store };
}

async function leased(engine: Engine, id: string, until: number): Promise<void> {
  const [stored] = await engine.store.read("packet", [id]);
  if (!stored) throw new Error("no packet");
  const progress = { ...stored.value.progress, lease: { owner: "another", until } };
  await engine.store.write([{ kind: "packet", id, value: { ...stored.value, progress }, etag: stored.etag }]);
}
