import { describe, expect, it } from "vitest";
import { changeHealth, markDown } from "../../../bridge/delivery/circuit-breaker.ts";
import type { Engine } from "../../../bridge/engine.ts";
import { runJobs, startJob } from "../../../bridge/jobs/job-runner.ts";
import { probe } from "../../../bridge/maintenance/probe.ts";
import { runMaintenance } from "../../../bridge/maintenance/run-maintenance.ts";
import { retry } from "../../../bridge/model/outcome.ts";
import type { PacketRecord } from "../../../bridge/model/packet-record.ts";
import type { QueuePort } from "../../../bridge/ports/queue.ts";
import { aCore, type Core, fakeTarget, invariantViolations, onePerDiem } from "../../support/core.ts";

describe("scheduled maintenance", () => {
  it("opens the circuit breaker after five retries in a row from at least two lanes", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.behave = () => retry("answered 503");

    await core.emit(...rates(12));
    await core.run();

    expect(await core.health(target)).toMatchObject({ status: "DOWN" });
    const called = target.calls.length;
    expect(called).toBeLessThanOrEqual(10);
    await core.clock.advance(30_000);
    await core.run();
    expect(target.calls).toHaveLength(called);
    expect(await core.depth(`outbox:${target.id}`)).toBe(12);
  });

  it("keeps the circuit breaker closed if a single record fails repeatedly", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.behave = (packet) => (packet.entity === "bad" ? retry("answered 500") : target.take(packet));

    await core.emit({ id: "1", subject: "bad", data: { new_rate: 1 } });
    await core.rest(1_200_000);

    expect(target.calls.length).toBeGreaterThan(10);
    expect((await core.health(target))?.status).toBe("UP");
  });

  it("keeps the circuit breaker closed if a success comes between failures", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    for (let i = 0; i < 8; i++) {
      target.behave = () => retry("answered 500");
      await core.emit({ id: `bad-${i}`, subject: `bad-${i}`, data: { new_rate: i } });
      await core.run();
      target.behave = (packet) => (packet.entity.startsWith("bad") ? retry("answered 500") : target.take(packet));
      await core.emit({ id: `good-${i}`, subject: `good-${i}`, data: { new_rate: i } });
      await core.map();
      await core.deliverBatch(target);
    }

    expect((await core.health(target))?.status).toBe("UP");
  });

  it("probes at every tick if tick and probe interval are equal, however late each tick is", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], times: { tickMs: 60_000 } });
    target.behave = () => retry("answered 500");
    target.awake = false;
    await core.emit(...rates(12));
    await core.run();
    const before = target.probes;

    for (const lateMs of [60_300, 59_900, 60_100, 59_800]) {
      await core.clock.advance(lateMs);
      await runMaintenance(core.engine);
    }

    expect(target.probes - before).toBe(4);
  });

  it("marks a suspect target DOWN when its probe fails, and logs it once", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.behave = () => retry("answered 500");
    target.awake = false;
    await core.emit({ id: "1", data: { new_rate: 1 } });
    await core.run();

    await runMaintenance(core.engine);
    await core.clock.advance(120_000);
    await runMaintenance(core.engine);

    expect((await core.health(target))?.status).toBe("DOWN");
    expect(core.lines.filter(({ step }) => step === "target-down")).toHaveLength(1);
  });

  it("sends no probe to a healthy target", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });

    await core.emit({ id: "1", data: { new_rate: 1 } });
    await core.rest();
    for (let i = 0; i < 5; i++) {
      await runMaintenance(core.engine);
      await core.clock.advance(60_000);
    }

    expect(target.probes).toBe(0);
  });

  it("probes a target that is down once every 60 s", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.awake = false;
    await probe(core.engine, target.connector);
    target.probes = 0;

    for (let second = 0; second < 300; second++) {
      await runMaintenance(core.engine);
      await core.clock.advance(1_000);
    }

    expect(target.probes).toBeGreaterThanOrEqual(4);
    expect(target.probes).toBeLessThanOrEqual(5);
  });

  it.each([
    ["throws", () => Promise.reject(new Error("no"))],
    ["never answers", () => new Promise<boolean>(() => {})],
  ])("treats a target as down if its probe %s", async (_, answer) => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });

    const probing = probe(core.engine, { ...target.connector, probe: answer });
    await core.clock.advance(5_000);

    expect((await probing).status).toBe("DOWN");
  });

  it("redrives the outbox on recovery, with each lane in order", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.awake = false;
    await probe(core.engine, target.connector);
    await core.emit(...rates(9, 3));
    await core.run();
    expect(target.calls).toHaveLength(0);
    expect(await core.depth(`outbox:${target.id}`)).toBe(9);

    target.awake = true;
    await core.rest();

    const rate = (entity: string) =>
      target.calls.filter((packet) => packet.entity === entity).map(({ fields }) => fields.dailyRate);
    expect(rate("rate-0")).toEqual([0, 3, 6]);
    expect(rate("rate-1")).toEqual([1, 4, 7]);
    expect(rate("rate-2")).toEqual([2, 5, 8]);
    expect((await core.packets()).every(({ progress }) => progress.status === "SENT")).toBe(true);
    expect(await invariantViolations(core, 9)).toEqual([]);
  });

  it.each([1, 60, 24 * 60, 20 * 24 * 60])(
    "delivers everything after an outage of %i min",
    { tags: "row-17" },
    async (minutes) => {
      const target = fakeTarget();
      await using core = await aCore({ targets: [target] });
      target.awake = false;
      target.behave = () => retry("nobody listens there", { mayHaveLanded: false });
      await core.emit(...rates(20, 4));

      // The longer the outage, the seldomer the test looks: 200 times in all.
      const gap = Math.max(1, minutes / 200);
      for (let minute = 0; minute < minutes; minute += gap) {
        await core.run();
        await runMaintenance(core.engine);
        await core.clock.advance(gap * 60_000);
      }
      target.awake = true;
      target.behave = target.take;
      await core.rest();

      expect([...target.state.values()].map(({ dailyRate }) => dailyRate).sort()).toEqual([16, 17, 18, 19]);
      expect((await core.packets()).filter(({ progress }) => progress.status !== "SENT")).toEqual([]);
      expect(await invariantViolations(core, 20)).toEqual([]);
    },
  );

  it("starts a redrive slowly and doubles its rate each tick up to the connector's rate", async () => {
    const target = fakeTarget({ perSecond: 100 });
    await using core = await aCore({ targets: [target] });
    await asleepWith(core, target, 400);
    target.awake = true;
    await core.clock.advance(60_000);

    const moved: number[] = [];
    while ((await core.depth(`outbox:${target.id}`)) > 0) {
      const before = await core.depth(`outbox:${target.id}`);
      await runMaintenance(core.engine);
      await core.clock.advance(1_000);
      moved.push(before - (await core.depth(`outbox:${target.id}`)));
    }

    for (const [tick, rate] of [20, 40, 80, 100].entries()) {
      expect(Math.abs((moved[tick] as number) - rate)).toBeLessThanOrEqual(0.15 * rate);
    }
    expect(Math.max(...moved)).toBeLessThanOrEqual(115);
    await core.rest();
    await runMaintenance(core.engine);
    expect(target.state.size).toBe(400);
    expect((await core.health(target))?.redrivePerSecond).toBeUndefined();
  });

  it("stops a redrive when its target goes down again", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await asleepWith(core, target, 400);
    target.awake = true;
    await core.clock.advance(60_000);
    await runMaintenance(core.engine);
    await core.clock.advance(1_000);

    target.awake = false;
    await probe(core.engine, target.connector);
    await runMaintenance(core.engine);
    const left = await core.depth(`outbox:${target.id}`);
    await core.clock.advance(5_000);

    expect(left).toBeGreaterThan(350);
    expect(await core.depth(`outbox:${target.id}`)).toBe(left);
    target.awake = true;
    await core.rest();
    expect(target.state.size).toBe(400);
    expect([...target.effects.values()].every((times) => times === 1)).toBe(true);
  });

  it("moves no packet in circles when the target goes down during a redrive", async () => {
    const target = fakeTarget({ perSecond: 10 });
    await using core = await aCore({ targets: [target] });
    await asleepWith(core, target, 30);
    target.awake = true;
    await core.clock.advance(60_000);
    await runMaintenance(core.engine);
    await core.clock.advance(1_000);
    await core.run();

    target.awake = false;
    await probe(core.engine, target.connector);
    for (let tenth = 0; tenth < 300; tenth++) {
      await core.clock.advance(100);
      await core.run();
    }

    const parkings = await Promise.all(
      (await core.packets()).map(async ({ packet }) => (await core.steps(packet.id)).length),
    );
    expect(Math.max(...parkings)).toBeLessThanOrEqual(4);
    expect(await core.engine.queue.isMoving(`outbox:${target.id}`)).toBe(false);
  });

  it("loses nothing and keeps each lane in order while a target flaps under live traffic", {
    tags: "row-18",
  }, async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], times: { probeMs: 5_000, backoffMs: [500, 1_000] } });
    let next = 0;
    for (let flip = 0; flip < 24; flip++) {
      target.awake = flip % 2 === 1;
      target.behave = target.awake ? target.take : () => retry("answered 503");
      for (let second = 0; second < 8; second++) {
        await core.emit({ id: `e${next}`, subject: `rate-${next % 5}`, sequence: next, data: { new_rate: next++ } });
        await core.run();
        await runMaintenance(core.engine);
        await core.clock.advance(1_000);
      }
    }
    target.awake = true;
    target.behave = target.take;
    await core.rest();

    for (let lane = 0; lane < 5; lane++) {
      const last = Math.max(...Array.from({ length: next }, (_, i) => (i % 5 === lane ? i : -1)));
      expect(target.state.get(`rate-${lane}`)).toEqual({ dailyRate: last });
    }
    expect(await invariantViolations(core, next)).toEqual([]);
    expect((await core.engine.store.tally()).packets).toMatchObject({ QUEUED: 0, RETRY: 0, HELD: 0 });
  });

  it("redrives the outbox of a target that is up after 10 min, then at growing intervals", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], times: { backoffMs: [1_000] } });
    target.behave = () => retry("answered 500");
    await core.emit({ id: "1", data: { new_rate: 1 } });
    await core.run();
    const begun = core.clock.now();

    for (let minute = 0; minute < 8 * 60; minute++) {
      for (const seconds of [2, 58]) {
        await core.clock.advance(seconds * 1_000);
        await core.run();
        await runMaintenance(core.engine);
      }
    }

    const redriven = core.lines.filter(({ step }) => step === "redrive").length;
    expect(core.clock.now() - begun).toBe(8 * 3_600_000);
    // After 10, 30 and 60 min, and then every 30 min.
    expect(redriven).toBeGreaterThanOrEqual(14);
    expect(redriven).toBeLessThanOrEqual(18);
  });

  it("logs once per episode how many packets exceed their window and which is the oldest", async () => {
    const target = fakeTarget();
    const other = fakeTarget({ name: "Other" });
    const twoTargets = `${onePerDiem}  other: { connector: Other, map: { new_rate: rate } }\n`;
    await using core = await aCore({ targets: [target, other], sheets: { per_diem: twoTargets } });
    const breaches = () => core.lines.filter(({ step }) => step.startsWith("window-"));
    await asleepWith(core, target, 3);
    const oldest = (await core.packets()).find(({ packet }) => packet.connector === target.id)?.packet.id;

    await core.clock.advance(59_000);
    await runMaintenance(core.engine);
    expect(breaches()).toEqual([]);
    await core.clock.advance(2_000);
    for (let tick = 0; tick < 5; tick++) await runMaintenance(core.engine);
    expect(breaches()).toEqual([
      { step: "window-breach", connector: target.id, packets: 3, packet: oldest, lateMs: 1_000 },
    ]);

    target.awake = true;
    await core.clock.advance(60_000);
    await core.rest();
    await runMaintenance(core.engine);
    expect(breaches().slice(1)).toEqual([{ step: "window-kept", connector: target.id }]);

    await core.emit({ id: "again", subject: "again", data: { new_rate: 7 } });
    await core.run();
    target.behave = () => retry("answered 503");
    await core.emit({ id: "late", subject: "late", data: { new_rate: 7 } });
    await core.run();
    await core.clock.advance(61_000);
    await runMaintenance(core.engine);
    expect(breaches().slice(2)).toMatchObject([{ step: "window-breach", packets: 1, lateMs: 1_000 }]);
  });

  it("applies each sheet's window, and counts a replay from its requeueing", async () => {
    const target = fakeTarget();
    await using core = await aCore({
      targets: [target],
      sheets: { per_diem: `${onePerDiem}consistency_window: 5s\n` },
    });
    await core.emit(...rates(2));
    await core.run();
    await core.clock.advance(600_000);
    await startJob(core.engine, {
      kind: "replay",
      request: { from: 0, to: core.clock.now(), force: true },
      actor: "jo",
    });
    await runJobs(core.engine, () => true);

    await core.clock.advance(4_900);
    await runMaintenance(core.engine);
    expect((await core.health(target))?.breachedSince).toBeUndefined();
    await core.clock.advance(200);
    await runMaintenance(core.engine);

    expect((await core.health(target))?.breachedSince).toBe(core.clock.now());
  });

  it("redrives nothing while a connector is paused", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await changeHealth(core.engine, target.id, (health) => ({ ...health, paused: true }));
    await core.emit(...rates(3));
    await core.run();

    await core.rest(3_600_000);
    expect(target.calls).toHaveLength(0);
    await changeHealth(core.engine, target.id, (health) => ({ ...health, paused: false }));
    await core.rest(3 * 3_600_000);

    expect((await core.packets()).map(({ progress }) => progress.status)).toEqual(["SENT", "SENT", "SENT"]);
  });

  describe("requeueing of lost packets", () => {
    it("requeues a packet after 2 min under a new id if both queues are empty", async () => {
      const target = fakeTarget();
      await using core = await aCore({ targets: [target] });
      await core.emit({ id: "1", data: { new_rate: 1 } });
      await core.map();
      await lose(core, target.id);

      await core.clock.advance(119_000);
      await runMaintenance(core.engine);
      await core.run();
      expect(target.calls).toHaveLength(0);
      await core.clock.advance(2_000);
      await runMaintenance(core.engine);
      await core.run();

      const { packet, progress } = await core.only();
      expect(progress).toMatchObject({ status: "SENT", puts: 1 });
      expect(await core.steps(packet.id)).toEqual(["QUEUED", "QUEUED", "SENT"]);
    });

    /** Returns an engine whose queues cannot be searched, as on AWS. */
    const unsearchable = (engine: Engine): Engine => {
      const queue = new Proxy(engine.queue, {
        get: (port, name) => {
          if (name === "holds") return async () => undefined;
          const member = Reflect.get(port, name, port);
          return typeof member === "function" ? member.bind(port) : member;
        },
      });
      return { ...engine, queue };
    };

    it("returns after 2 min although other packets are in the lane queue and the outbox, if these can be searched", async () => {
      const target = fakeTarget();
      await using core = await aCore({ targets: [target] });
      await core.emit({ id: "1", subject: "lost", data: { new_rate: 1 } });
      await core.map();
      await lose(core, target.id);
      await core.engine.queue.send(`lane:${target.id}`, [{ group: "other", body: "{}" }]);
      await core.engine.queue.send(`outbox:${target.id}`, [{ group: "poison", body: "{}" }]);

      await core.clock.advance(110_000);
      await runMaintenance(core.engine);
      expect((await core.only()).progress.puts).toBe(0);
      await core.clock.advance(20_000);
      await runMaintenance(core.engine);

      expect((await core.only()).progress.puts).toBe(1);
      expect(await core.engine.queue.holds(`lane:${target.id}`, (await core.only()).packet.lane)).toBe(true);
    });

    it("returns after 2 min although the outbox has messages, if its own queue is empty and cannot be searched", async () => {
      const target = fakeTarget();
      await using core = await aCore({ targets: [target] });
      await core.emit({ id: "1", subject: "lost", data: { new_rate: 1 } });
      await core.map();
      await lose(core, target.id);
      await core.engine.queue.send(`outbox:${target.id}`, [{ group: "poison", body: "{}" }]);

      await core.clock.advance(130_000);
      await runMaintenance(unsearchable(core.engine));

      expect((await core.only()).progress.puts).toBe(1);
    });

    it("returns after 15 min if its record was passed in a queue that is not empty and cannot be searched", async () => {
      const target = fakeTarget();
      await using core = await aCore({ targets: [target] });
      const engine = unsearchable(core.engine);
      await core.emit(
        { id: "1", subject: "r", data: { new_rate: 1 } },
        { id: "2", subject: "s", data: { new_rate: 1 } },
      );
      await core.map();
      await lose(core, target.id);
      await core.engine.queue.send(`lane:${target.id}`, [{ group: "other", body: "{}" }]);
      await core.clock.advance(1_000);
      await core.emit({ id: "3", subject: "r", data: { city: "Denver" } });
      await core.map();
      await core.deliverBatch(target);
      await core.engine.queue.send(`lane:${target.id}`, [{ group: "other", body: "{}" }]);
      const puts = async () => (await core.packets()).map(({ packet, progress }) => [packet.entity, progress.puts]);

      await core.clock.advance(600_000);
      await runMaintenance(engine);
      expect(await puts()).toEqual([
        ["r", 0],
        ["s", 0],
        ["r", 0],
      ]);
      await core.clock.advance(400_000);
      await runMaintenance(engine);
      expect(await puts()).toEqual([
        ["r", 1],
        ["s", 0],
        ["r", 0],
      ]);
    });

    it("returns after 13 days if nothing else shows that it is lost", async () => {
      const target = fakeTarget();
      await using core = await aCore({ targets: [target] });
      await core.emit({ id: "1", subject: "lost", data: { new_rate: 1 } });
      await core.map();
      await lose(core, target.id);
      await core.engine.queue.send(`lane:${target.id}`, [{ group: "other", body: "{}" }]);

      await core.clock.advance(86_400_000);
      await runMaintenance(unsearchable(core.engine));
      expect((await core.only()).progress.puts).toBe(0);
      await core.clock.advance(12 * 86_400_000 + 1_000);
      await runMaintenance(unsearchable(core.engine));

      expect((await core.only()).progress.puts).toBe(1);
    });

    it("enqueues a packet at once if its enqueueing was never confirmed", async () => {
      const target = fakeTarget();
      await using core = await aCore({ targets: [target] });
      await core.emit({ id: "1", data: { new_rate: 1 } });
      await core.map();
      await lose(core, target.id);
      const { packet } = await core.only();
      const [stored] = await core.engine.store.read("packet", [packet.id]);
      if (!stored) throw new Error("no packet");
      const value = { ...stored.value, progress: { ...stored.value.progress, puts: 1, unsent: true } };
      await core.engine.store.write([{ kind: "packet", id: packet.id, value, etag: stored.etag }]);

      await runMaintenance(core.engine);
      await core.run();

      expect((await core.only()).progress.status).toBe("SENT");
      expect((await core.only()).progress.unsent).toBeUndefined();
    });

    it("enqueues a packet after a crash between table and queue", async () => {
      const target = fakeTarget();
      await using core = await aCore({ targets: [target] });
      await core.emit({ id: "1", data: { new_rate: 1 } });
      await core.map();
      await lose(core, target.id);
      await core.clock.advance(121_000);
      await runMaintenance({ ...core.engine, queue: dead(core.engine) }).catch(() => {});
      expect((await core.only()).progress.unsent).toBe(true);

      await core.rest();

      expect((await core.only()).progress.status).toBe("SENT");
    });

    it("wakes a strict lane whose head moved aside and was never woken", async () => {
      const target = fakeTarget({ order: "strict" });
      await using core = await aCore({ targets: [target] });
      await core.emit({ id: "1", data: { new_rate: 1 } });
      await core.map();
      await lose(core, target.id);
      const { packet } = await core.only();
      const [stored] = await core.engine.store.read("packet", [packet.id]);
      if (!stored) throw new Error("no packet");
      const value = { ...stored.value, progress: { ...stored.value.progress, place: "behind" as const } };
      await core.engine.store.write([{ kind: "packet", id: packet.id, value, etag: stored.etag }]);

      await core.rest();

      expect((await core.only()).progress.status).toBe("SENT");
    });
  });
});

/** A target that is asleep, and so many packets in its outbox. */
async function asleepWith(core: Core, target: ReturnType<typeof fakeTarget>, packets: number): Promise<void> {
  target.awake = false;
  await probe(core.engine, target.connector);
  await core.emit(...rates(packets, packets));
  await core.run();
}

function rates(count: number, lanes = count) {
  return Array.from({ length: count }, (_, i) => ({
    id: `e${i}`,
    subject: `rate-${i % lanes}`,
    sequence: i,
    data: { new_rate: i },
  }));
}

/** Takes every message off a lane queue, as if the queue had lost them. */
async function lose(core: Core, id: string): Promise<void> {
  const queue = `lane:${id}` as const;
  for (;;) {
    const messages = await core.engine.queue.receive(queue, { max: 10, visibilityMs: 1_000, waitMs: 0 });
    if (messages.length === 0) return;
    await core.engine.queue.remove(
      queue,
      messages.map(({ receipt }) => receipt),
    );
  }
}

/** A queue that can be looked at, and takes nothing. */
function dead(engine: Engine): QueuePort {
  const { queue } = engine;
  return {
    send: () => Promise.reject(new Error("throttled")),
    receive: (...args) => queue.receive(...args),
    remove: (...args) => queue.remove(...args),
    delay: (...args) => queue.delay(...args),
    depth: (...args) => queue.depth(...args),
    startMove: (...args) => queue.startMove(...args),
    stopMove: (...args) => queue.stopMove(...args),
    isMoving: (...args) => queue.isMoving(...args),
    stamp: (...args) => queue.stamp(...args),
    processedUpTo: () => queue.processedUpTo(),
    holds: (...args) => queue.holds(...args),
  };
}

describe("a time stored while the clock was ahead", { tags: "row-40" }, () => {
  it("stops no delivery, probe or redrive", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    const now = core.clock.now();
    await core.emit({ id: "1", subject: "a", data: { new_rate: 1 } });
    await core.map();
    core.clock.set(now + 365 * 86_400_000);
    target.awake = false;
    target.behave = () => retry("the connection was refused", { mayHaveLanded: false });
    await changeHealth(core.engine, target.id, markDown);
    await core.deliverBatch(target);
    await runMaintenance(core.engine);
    core.clock.set(now);
    target.awake = true;
    target.behave = (packet) => target.take(packet);

    await core.clock.advance(60_000);
    await core.rest(300_000);

    expect(target.state.get("a")).toEqual({ dailyRate: 1 });
  });

  it("does not keep a packet out of its queue that lost its message", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    const now = core.clock.now();
    core.clock.set(now + 3_600_000);
    await core.emit({ id: "1", subject: "a", data: { new_rate: 1 } });
    await core.map();
    const [message] = await core.engine.queue.receive("lane:Fake@v1", { max: 1, visibilityMs: 1_000, waitMs: 0 });
    await core.engine.queue.remove("lane:Fake@v1", [message?.receipt as string]);
    core.clock.set(now);

    await runMaintenance(core.engine);
    await core.run();

    expect(target.state.get("a")).toEqual({ dailyRate: 1 });
  });

  it("does not keep a job from another process after its own has ended", async () => {
    await using core = await aCore();
    const now = core.clock.now();
    core.clock.set(now + 1_800_000);
    const { id } = await startJob(core.engine, { kind: "replay", request: { from: 0, to: now }, actor: "jo" });
    const [stored] = await core.engine.store.read("job", [id]);
    const at = core.clock.now();
    const value = { ...(stored as NonNullable<typeof stored>).value, leasedAt: at, leasedUntil: at + 35_000 };
    await core.engine.store.write([{ kind: "job", id, value, etag: 1 }]);
    core.clock.set(now);

    await runJobs(core.engine, () => true);

    expect((await core.engine.store.read("job", [id]))[0]?.value.status).toBe("DONE");
  });

  it("lets an interrupted attempt continue at once", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "1", subject: "a", data: { new_rate: 1 } });
    await core.map();
    const { packet } = await core.only();
    const [stored] = await core.engine.store.read("packet", [packet.id]);
    const lease = { owner: "gone", until: core.clock.now() + 365 * 86_400_000, shadow: 0 };
    const value = { ...stored, progress: { ...stored?.value.progress, lease } };
    const record = { ...stored?.value, progress: value.progress } as PacketRecord;
    await core.engine.store.write([{ kind: "packet", id: packet.id, value: record, etag: 1 }]);

    await core.run();

    expect(target.state.get("a")).toEqual({ dailyRate: 1 });
  });
});
