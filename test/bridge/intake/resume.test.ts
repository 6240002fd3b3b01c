import { describe, expect, it } from "vitest";
import type { Engine } from "../../../bridge/engine.ts";
import { ComplianceUnavailableError } from "../../../bridge/governance/compliance-engine.ts";
import { resumeUnsent } from "../../../bridge/intake/accept.ts";
import { runJobs, startJob } from "../../../bridge/jobs/job-runner.ts";
import { Catalog } from "../../../bridge/model/connector.ts";
import { aCore, type Core, fakeTarget } from "../../support/core.ts";

const twoSheets = {
  one: "source_event: one\ntargets: { a: { connector: One, map: { v: v } }, b: { connector: Two, map: { v: v } } }",
  two: "source_event: two\ntargets: { b: { connector: Two, map: { v: v } } }",
};

/** Returns an engine whose compliance engine does not answer. */
function ungoverned({ engine }: Core): Engine {
  const ask = () => Promise.reject(new ComplianceUnavailableError("it is down"));
  return { ...engine, compliance: { ask } };
}

/** Records events that wait for governance, and lets their inbox messages end. */
async function waiting(core: Core, events: readonly object[]): Promise<void> {
  for (const event of events) await core.emit(event);
  await core.map(ungoverned(core));
  await core.clock.advance(1_000);
  const taken = await core.engine.queue.receive("inbox", { max: 10, visibilityMs: 1_000, waitMs: 0 });
  for (let left = taken; left.length > 0; ) {
    await core.engine.queue.remove(
      "inbox",
      left.map(({ receipt }) => receipt),
    );
    left = await core.engine.queue.receive("inbox", { max: 10, visibilityMs: 1_000, waitMs: 0 });
  }
  await core.clock.advance(130_000);
}

describe("the resumption of waiting events", () => {
  it("holds the packet of a removed connector, and records those of the event's other targets and of other events", async () => {
    const [one, two] = [fakeTarget({ name: "One" }), fakeTarget({ name: "Two" })];
    await using core = await aCore({ targets: [one, two], sheets: twoSheets });
    await waiting(core, [
      { id: "1", type: "one", subject: "r", data: { v: 1 } },
      { id: "2", type: "two", subject: "s", data: { v: 2 } },
    ]);

    await resumeUnsent({ ...core.engine, catalog: new Catalog([two.connector]) });
    await core.run();

    expect(two.calls.map(({ fields }) => fields.v).sort()).toEqual([1, 2]);
    const held = (await core.packets()).find(({ packet }) => packet.connector === "One@v1");
    expect(held?.progress).toMatchObject({
      status: "HELD",
      reason: "no connector is called One; installed: Two@v1; install it and release the packet, or discard it",
    });
  });

  it("logs an event that fails with its key, lets it wait longer each time, and goes on with the next ones", async () => {
    const target = fakeTarget({ name: "Two" });
    await using core = await aCore({ targets: [fakeTarget({ name: "One" }), target], sheets: twoSheets });
    await waiting(core, [
      { id: "1", type: "one", subject: "r", data: { v: 1 } },
      { id: "2", type: "two", subject: "s", data: { v: 2 } },
    ]);
    const store = new Proxy(core.engine.store, {
      get: (port, name) => {
        if (name !== "read") return Reflect.get(port, name).bind(port);
        return async (kind: never, ids: readonly string[]) =>
          (await port.read(kind, ids)).map((stored, i) => (ids[i]?.startsWith("one:") ? undefined : stored));
      },
    });
    const broken = { ...core.engine, store };
    const attempts: number[] = [];
    for (let minute = 0; minute < 60; minute++) {
      const before = core.lines.length;
      await resumeUnsent(broken);
      const failed = core.lines.slice(before).filter(({ step }) => step === "accept-failed");
      if (failed.length > 0) attempts.push(minute);
      for (const line of failed) expect(line.events).toMatch(/^evt-/);
      await core.clock.advance(60_000);
    }
    await core.run();

    expect(target.calls.map(({ fields }) => fields.v)).toEqual([2]);
    expect(attempts).toEqual([0, 2, 6, 14, 24, 34, 44, 54]);
  });

  it("serves more events than one page holds", async () => {
    const target = fakeTarget({ name: "Two" });
    await using core = await aCore({ targets: [fakeTarget({ name: "One" }), target], sheets: twoSheets });
    const events = Array.from({ length: 130 }, (_, v) => ({ id: `${v}`, type: "two", subject: `${v}`, data: { v } }));
    await waiting(core, events);

    await resumeUnsent(core.engine);
    await core.run();

    expect(target.calls).toHaveLength(130);
  });

  it("ends a run early while the compliance engine does not answer", async () => {
    await using core = await aCore({
      targets: [fakeTarget({ name: "One" }), fakeTarget({ name: "Two" })],
      sheets: twoSheets,
    });
    const events = Array.from({ length: 20 }, (_, v) => ({ id: `${v}`, type: "two", subject: `${v}`, data: { v } }));
    await waiting(core, events);
    let asked = 0;
    const ask = async () => {
      asked++;
      throw new ComplianceUnavailableError("it is down");
    };

    await resumeUnsent({ ...core.engine, compliance: { ask } });
    expect(asked).toBe(5);
    await resumeUnsent({ ...core.engine, compliance: { ask } });
    expect(asked).toBe(10);
  });

  it("includes an event that was recorded while the clock was a year ahead", async () => {
    const target = fakeTarget({ name: "Two" });
    await using core = await aCore({ targets: [fakeTarget({ name: "One" }), target], sheets: twoSheets });
    const now = core.clock.now();
    core.clock.set(now + 365 * 86_400_000);
    await waiting(core, [{ id: "1", type: "two", subject: "s", data: { v: 1 } }]);
    core.clock.set(now);

    await resumeUnsent(core.engine);
    await core.run();

    expect(target.calls).toHaveLength(1);
  });
});

describe("the choice of running jobs", () => {
  it("gives every job its turn even if four older ones do not end", async () => {
    await using core = await aCore();
    const request = { from: 0, to: core.clock.now() };
    const jobs: string[] = [];
    for (let i = 0; i < 6; i++) jobs.push((await startJob(core.engine, { kind: "replay", request, actor: "jo" })).id);
    const stuck = new Set(jobs.slice(2));
    const store = new Proxy(core.engine.store, {
      get: (port, name) => {
        if (name !== "packets") return Reflect.get(port, name).bind(port);
        return async () => {
          throw new ComplianceUnavailableError("it is down");
        };
      },
    });
    for (const { value, etag } of await core.engine.store.jobs({ limit: 10 })) {
      if (!stuck.has(value.id)) continue;
      await core.engine.store.write([{ kind: "job", id: value.id, value: { ...value, turnAt: 1 }, etag }]);
    }

    await runJobs({ ...core.engine, store }, () => true);
    await core.clock.advance(1_000);
    await runJobs({ ...core.engine, store }, () => true);
    const leased = (await core.engine.store.jobs({ limit: 10 })).filter(({ value }) => value.leasedUntil !== undefined);
    expect(leased).toHaveLength(6);
    await runJobs(core.engine, () => true);
    expect((await core.engine.store.jobs({ running: true, limit: 10 })).length).toBe(6);
    await core.clock.advance(40_000);
    await runJobs(core.engine, () => true);
    await runJobs(core.engine, () => true);
    expect(await core.engine.store.jobs({ running: true, limit: 10 })).toEqual([]);
  });
});
