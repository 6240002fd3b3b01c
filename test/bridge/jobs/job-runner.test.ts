import { describe, expect, it } from "vitest";
import type { Engine } from "../../../bridge/engine.ts";
import { cancelJob, runJobs, startJob } from "../../../bridge/jobs/job-runner.ts";
import { aCore, type Core, fakeTarget, invariantViolations } from "../../support/core.ts";
import { crashAfter } from "../../support/crash-after.ts";

const all = { from: 0, to: Number.MAX_SAFE_INTEGER };

describe("a job", () => {
  it("continues after a crash before any write and creates nothing twice", async () => {
    for (let writes = 0, over = false; !over; writes++) {
      const target = fakeTarget();
      await using core = await aDeliveredCore(target, 40);
      const { id } = await startReplay(core, { force: true });

      await runJobs(crashAfter(core.engine, writes), () => true).catch(() => {});
      over = (await jobOf(core, id)).status === "DONE";
      await core.clock.advance(core.engine.times.leaseMs);
      await core.jobs();
      await core.rest();

      expect(await jobOf(core, id), `after ${writes} writes`).toMatchObject({ status: "DONE", made: 40 });
      expect(await core.packets()).toHaveLength(80);
      expect(target.effects.size).toBe(80);
      expect([...target.effects.values()].every((times) => times === 1)).toBe(true);
      expect(await invariantViolations(core, 40)).toEqual([]);
      if (over) expect(writes).toBeGreaterThan(5);
    }
  });

  it("runs in one process at a time", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target, 3);
    await startReplay(core, { force: true });

    await Promise.all([runJobs(core.engine, () => true), runJobs(core.engine, () => true)]);
    await core.rest();

    expect(target.calls).toHaveLength(6);
  });

  it("creates nothing twice if a second process takes over while the first still runs", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target, 100);
    await startReplay(core, { force: true });
    const slow = withSlowReads(core.engine, () => core.clock.sleep(2 * core.engine.times.leaseMs));

    const first = runJobs(slow, () => true);
    await core.clock.advance(core.engine.times.leaseMs + 1);
    await core.jobs();
    await core.clock.advance(2 * core.engine.times.leaseMs);
    await first;
    await core.rest();

    expect(await core.packets()).toHaveLength(200);
    expect([...target.effects.values()].every((times) => times === 1)).toBe(true);
  });

  it("stops when asked to, and the next call continues it at once", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target, 450);
    const { id } = await startReplay(core, { force: true });
    let pages = 1;

    const isLeft = await runJobs(core.engine, () => pages-- > 0);
    const first = await jobOf(core, id);
    await core.jobs();

    expect(isLeft).toBe(true);
    expect(first).toMatchObject({ status: "RUNNING", looked: 25, made: 25 });
    expect(await jobOf(core, id)).toMatchObject({ status: "DONE", looked: 450, made: 450 });
    expect(await runJobs(core.engine, () => true)).toBe(false);
  });

  it("leaves room in the lanes for live traffic", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target, 1_000);
    const { id } = await startReplay(core, { force: true });

    const working = runJobs(core.engine, () => true);
    let deepest = 0;
    while ((await jobOf(core, id)).status === "RUNNING") {
      await core.clock.advance(100);
      deepest = Math.max(deepest, await core.depth(`lane:${target.id}`));
      await core.deliverBatch(target);
    }
    await working;

    expect(deepest).toBeGreaterThan(190);
    expect(deepest).toBeLessThan(230);
  });

  it("stops when cancelled, keeps the packets it created, and names who cancelled it", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target, 450);
    const { id } = await startReplay(core, { force: true });
    let pages = 1;
    await runJobs(core.engine, () => pages-- > 0);

    const cancelled = await cancelJob(core.engine, id, "jo");
    await core.jobs();

    expect(cancelled).toMatchObject({ status: "CANCELLED", made: 25, reason: "jo cancelled it" });
    expect(await jobOf(core, id)).toEqual(cancelled);
    expect(await core.packets()).toHaveLength(450 + 25);
  });

  it("stays cancelled if it is cancelled in the middle of a page", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target, 300);
    const { id } = await startReplay(core, {});
    const slow = withSlowReads(core.engine, async () => {
      await cancelJob(core.engine, id, "jo");
    });

    await runJobs(slow, () => true);

    expect(await jobOf(core, id)).toMatchObject({ status: "CANCELLED", made: 0 });
  });

  it("retries a failed page after one lease, and fails after five failures in a row", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target, 3);
    const { id } = await startReplay(core, {});
    const broken = withSlowReads(core.engine, () => Promise.reject(new TypeError("of a value 123-45-6789")));

    await runJobs(broken, () => true);
    await runJobs(broken, () => true);
    expect(await jobOf(core, id)).toMatchObject({ status: "RUNNING", failures: 1 });
    for (let i = 0; i < 4; i++) {
      await core.clock.advance(core.engine.times.leaseMs);
      await runJobs(broken, () => true);
    }

    expect(await jobOf(core, id)).toMatchObject({ status: "FAILED", reason: "failed 5 times in a row: TypeError" });
    expect(JSON.stringify(core.lines)).not.toContain("123-45");
  });

  it("starts before an earlier job has ended", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target, 450);
    await startReplay(core, { force: true });
    const { id } = await startReplay(core, { to: 0 });
    let pages = 2;

    await runJobs(core.engine, () => pages-- > 0);

    expect(await jobOf(core, id)).toMatchObject({ status: "DONE", looked: 0 });
  });
});

async function aDeliveredCore(target: ReturnType<typeof fakeTarget>, packets: number): Promise<Core> {
  const core = await aCore({ targets: [target] });
  await core.emit(
    ...Array.from({ length: packets }, (_, i) => ({ id: `${i}`, subject: `${i}`, data: { new_rate: i } })),
  );
  await core.run();
  await core.clock.advance(1_000);
  return core;
}

function startReplay(core: Core, request: { readonly force?: boolean; readonly to?: number }) {
  return startJob(core.engine, { kind: "replay", request: { ...all, ...request }, actor: "jo" });
}

async function jobOf(core: Core, id: string) {
  const [stored] = await core.engine.store.read("job", [id]);
  if (!stored) throw new Error(`${id} is not there`);
  return stored.value;
}

/** Something happens before each page of packets is read. */
function withSlowReads(engine: Engine, before: () => Promise<void>): Engine {
  const store = new Proxy(engine.store, {
    get(target, name) {
      const member = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      if (name !== "packets") return member.bind(target);
      return async (...args: Parameters<typeof target.packets>) => {
        await before();
        return target.packets(...args);
      };
    },
  });
  return { ...engine, store };
}
