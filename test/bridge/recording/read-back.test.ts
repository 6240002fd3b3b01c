import { describe, expect, it } from "vitest";
import { recordFailure } from "../../../bridge/delivery/circuit-breaker.ts";
import { contextOf } from "../../../bridge/delivery/connector-context.ts";
import { deliver } from "../../../bridge/delivery/deliver.ts";
import type { Engine } from "../../../bridge/engine.ts";
import { cancelJob, runJobs, startJob } from "../../../bridge/jobs/job-runner.ts";
import { verifyLedger } from "../../../bridge/ledger/verify.ts";
import { runMaintenance } from "../../../bridge/maintenance/run-maintenance.ts";
import type { Connector } from "../../../bridge/model/connector.ts";
import { refused, retry } from "../../../bridge/model/outcome.ts";
import { pause, resume } from "../../../bridge/operations/connector-operations.ts";
import { discard } from "../../../bridge/operations/discard.ts";
import { edit } from "../../../bridge/operations/edit.ts";
import { forget } from "../../../bridge/operations/forget-shadow.ts";
import { release } from "../../../bridge/operations/release.ts";
import { restartSequence } from "../../../bridge/operations/restart-sequence.ts";
import type { StorePort } from "../../../bridge/ports/store.ts";
import { aCore, type Core, type FakeTarget, fakeTarget, invariantViolations } from "../../support/core.ts";
import { withLostAnswers, withWrite } from "../../support/lost-answers.ts";

const jo = { actor: "jo", reason: "the target was repaired" };
const dayMs = 86_400_000;

const sheets = {
  record: `
source_event: record.changed
targets:
  latest: { connector: Latest, map: { a: a, b: b } }
  blunt: { connector: Blunt, map: { a: a } }
  journal: { connector: Journal, map: { a: a } }
`,
  roster: `
source_event: roster
targets: { latest: { connector: Latest, for_each: data.people, key: badge, map: { a: a } } }
`,
};

interface History {
  readonly core: Core;
  /** The engine that does all the work. */
  readonly engine: Engine;
  readonly latest: FakeTarget;
  readonly blunt: FakeTarget;
  readonly journal: FakeTarget;
  readonly run: () => Promise<void>;
  /** Runs maintenance and all queues, again and again. */
  readonly pass: (steps: number, stepMs?: number) => Promise<void>;
  readonly held: (target: FakeTarget) => Promise<{ readonly id: string; readonly etag: number }[]>;
}

function changed(id: string, subject: string, data: object) {
  return { id, source: "hms.test", type: "record.changed", subject, data: data as never };
}

/** Does every kind of work that writes to the store. */
async function workEverything(history: History): Promise<void> {
  const { core, engine } = history;
  await core.emit(changed("1", "r1", { a: 1, b: 1 }), changed("2", "r1", { a: 2 }), changed("3", "r2", { a: 3 }));
  await core.emit(changed("1", "r1", { a: 1, b: 1 }), changed("1", "r1", { a: 9 }), "no event");
  await core.emit({ id: "4", source: "hms.test", type: "nobody.cares", subject: "r1", data: {} });
  await history.run();
  await workThroughOutage(history);
  await decideHeld(history);
  await pause(engine, history.latest.connector, jo);
  await core.emit(changed("8", "r4", { a: 8 }));
  await history.run();
  await resume(engine, history.latest.connector, jo);
  await forget(engine, history.latest.connector, "jo", "r1");
  await restartSequence(engine, "hms.test", core.clock.now(), jo);
  await history.pass(3);
  await runReplays(history);
  await readStream(engine);
  await core.clock.advance(100 * dayMs);
  await history.pass(2);
}

async function workThroughOutage({ core, latest, blunt, journal, run, pass }: History): Promise<void> {
  const failing = async () => retry("answered 503", { mayHaveLanded: false });
  for (const target of [latest, blunt, journal]) target.behave = failing;
  latest.awake = false;
  await core.emit(changed("5", "r1", { a: 5 }), changed("6", "r2", { a: 6 }), changed("7", "r3", { a: 7 }));
  await run();
  await pass(4, 5_000);
  for (const target of [latest, blunt, journal]) target.behave = (packet) => target.take(packet);
  latest.awake = true;
  await pass(8, 20_000);
}

async function decideHeld({ core, engine, latest, run, held }: History): Promise<void> {
  latest.behave = () => refused("answered 422", { status: 422 });
  await core.emit(changed("a", "r5", { a: 1 }), changed("b", "r6", { a: 1 }), changed("c", "r7", { a: 1 }));
  await run();
  latest.behave = (packet) => latest.take(packet);
  const [edited, released, discarded] = await held(latest);
  if (!edited || !released || !discarded) throw new Error("expected three held packets");
  await edit(engine, { id: edited.id, etag: edited.etag, fields: { a: 2 } }, jo);
  await release(engine, { id: released.id }, jo);
  await discard(engine, discarded.id, jo);
  await run();
}

async function runReplays({ core, engine, latest, run, held }: History): Promise<void> {
  const request = { from: 0, to: core.clock.now() + 1, force: true };
  await startJob(engine, { kind: "replay", request, actor: "jo" });
  const cancelled = await startJob(engine, { kind: "replay", request, actor: "kim" });
  await cancelJob(engine, cancelled.id, "kim");
  await runJobs(engine, () => true);
  await run();
  latest.behave = () => refused("answered 422", { status: 422 });
  await core.emit(changed("d", "r8", { a: 1 }));
  await run();
  latest.behave = (packet) => latest.take(packet);
  expect(await held(latest)).toHaveLength(1);
  await startJob(engine, { kind: "bulk", request: { act: "release", filter: {}, reason: "repaired" }, actor: "jo" });
  await runJobs(engine, () => true);
  await run();
}

/** Advances a stream's cursor, as `Stream` does. */
async function readStream({ store }: Engine): Promise<void> {
  for (let etag = 0; etag < 2; etag++) {
    const put = { kind: "cursor", id: "s", value: { position: `${etag}` }, etag } as const;
    expect(await store.write([put])).toBe("written");
  }
}

async function workRoster({ core, engine }: History): Promise<void> {
  const people = Array.from({ length: 501 }, (_, i) => ({ badge: `p${i}`, a: i }));
  await core.emit({ id: "1", source: "hms.test", type: "roster", subject: "all", data: { people } });
  await core.map(engine);
}

/** A connector that keeps a counter between its calls. */
function counting(target: FakeTarget): Connector {
  return {
    ...target.connector,
    async send(packet, context) {
      await context.memory.set((((await context.memory.get()) as number | undefined) ?? 0) + 1);
      return target.connector.send(packet, context);
    },
  };
}

/** Runs a history in which the answers to some writes are lost, and returns its end state. */
async function endOf(work: (history: History) => Promise<void>, isLost: (write: number) => boolean) {
  const [latest, blunt, journal] = [
    fakeTarget({ name: "Latest" }),
    fakeTarget({ name: "Blunt", idempotent: false }),
    fakeTarget({ name: "Journal", order: "strict", lane: "connector" }),
  ];
  const targets = [latest, blunt, { ...journal, connector: counting(journal) }];
  await using core = await aCore({ targets, sheets });
  let writes = 0;
  const engine = withLostAnswers(core.engine, (write) => {
    writes = write;
    return isLost(write);
  });
  const run = () => core.run(engine);
  await work({
    ...{ core, engine, latest, blunt, journal, run },
    async pass(steps, stepMs = 1_000) {
      for (let i = 0; i < steps; i++) {
        await runMaintenance(engine);
        await run();
        await core.clock.advance(stepMs);
      }
    },
    async held({ id }) {
      const { items } = await core.engine.store.packets({ connector: id, statuses: ["HELD"], limit: 10 });
      const stored = await core.engine.store.read(
        "packet",
        items.map(({ packet }) => packet.id),
      );
      return stored.map((one) => ({ id: one?.value.packet.id as string, etag: one?.etag as number }));
    },
  });
  return { writes, end: await stateOf(core, targets, work === workRoster ? 1 : 15) };
}

async function stateOf(core: Core, targets: readonly FakeTarget[], emitted: number) {
  const { store } = core.engine;
  const packets = await core.packets();
  const jobs = await store.jobs({ limit: 100 });
  const chains = Map.groupBy(await core.entries(), ({ chain }) => chain);
  const { events, packets: counts } = await store.tally();
  return {
    targets: targets.map(({ state, calls }) => [Object.fromEntries(state), calls.length]),
    packets: packets
      .map(({ packet, progress: { status, reason, tries }, progress }) =>
        JSON.stringify([
          packet.connector,
          packet.entity,
          packet.version.revision,
          status,
          reason,
          tries,
          progress.place,
        ]),
      )
      .sort(),
    chains: [...chains.values()].map((entries) => entries.map(({ step }) => step).join(" ")).sort(),
    jobs: jobs.map(({ value: { kind, actor, status, looked, made } }) => ({ kind, actor, status, looked, made })),
    counts: { events, packets: counts },
    fault: (await verifyLedger(core.engine)).fault,
    violations: await invariantViolations(core, emitted),
  };
}

describe("a lost answer to a write", () => {
  it.each([
    ["of all kinds of work", workEverything],
    ["of the expansion of a roster", workRoster],
  ])("changes nothing, whichever write of a history %s it is", { timeout: 600_000 }, async (_, work) => {
    const { writes, end } = await endOf(work, () => false);
    expect([end.fault, end.violations]).toEqual([undefined, []]);
    for (let lost = 1; lost <= writes; lost++) {
      const { end: repeated } = await endOf(work, (write) => write === lost);
      expect(repeated, `the answer to write ${lost} of ${writes} is lost`).toEqual(end);
    }
  });

  it("changes nothing if the answer to every write is lost", { timeout: 60_000 }, async () => {
    const { end } = await endOf(workEverything, () => false);

    expect((await endOf(workEverything, () => true)).end).toEqual(end);
  });

  it("does not hold a packet if its claim is changed before it is read back", async () => {
    const target = fakeTarget({ idempotent: false });
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "1", subject: "boston", data: { new_rate: 68 } });
    await core.map();
    let conflicts = 0;
    const write: StorePort["write"] = async (puts, entries) => {
      const written = await core.engine.store.write(puts, entries);
      const [put] = puts;
      if (put?.kind !== "packet" || !put.value.progress.lease || conflicts > 0) return written;
      conflicts++;
      await core.engine.store.write([{ ...put, etag: put.etag + 1 }]);
      return "conflict";
    };

    await core.run({ ...core.engine, store: withWrite(core.engine.store, write) });

    expect(conflicts).toBe(1);
    expect((await core.only()).progress.status).toBe("SENT");
    expect(target.calls).toHaveLength(1);
  });

  it("does not hold a packet if the claim is written and the store then fails", async () => {
    const target = fakeTarget({ idempotent: false });
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "1", subject: "boston", data: { new_rate: 68 } });
    await core.map();
    let failures = 0;
    const write: StorePort["write"] = async (puts, entries) => {
      const written = await core.engine.store.write(puts, entries);
      if (failures++ === 0) throw new Error("socket hang up");
      return written;
    };

    await core.run({ ...core.engine, store: withWrite(core.engine.store, write) });

    expect((await core.only()).progress.status).toBe("SENT");
    expect(target.calls).toHaveLength(1);
  });

  it("starts one job even if a process already runs it when it is read back", async () => {
    await using core = await aCore();
    const { store } = core.engine;
    const write: StorePort["write"] = async (puts, entries) => {
      const written = await store.write(puts, entries);
      const [put] = puts;
      if (put?.kind === "job") await store.write([{ ...put, value: { ...put.value, leasedUntil: 1 }, etag: 1 }]);
      return put?.kind === "job" ? "conflict" : written;
    };
    const request = { from: 0, to: 1 };

    const job = await startJob(
      { ...core.engine, store: withWrite(store, write) },
      { kind: "replay", request, actor: "jo" },
    );

    expect((await store.jobs({ limit: 10 })).map(({ value }) => value.id)).toEqual([job.id]);
  });
});

describe("a real conflict", () => {
  /** Runs two processes at once. Neither writes before both have read the store and want to write. */
  async function race(core: Core, work: (engine: Engine, process: number) => Promise<void>): Promise<string[]> {
    const results: string[] = [];
    const gate = Promise.withResolvers<void>();
    let waiting = 0;
    await Promise.all(
      [1, 2].map((process) => {
        const engine = withLostAnswers(core.engine, () => false, core.engine.random);
        const write: StorePort["write"] = async (puts, entries) => {
          if (++waiting === 2) gate.resolve();
          await gate.promise;
          const written = await engine.store.write(puts, entries);
          results.push(written);
          return written;
        };
        return work({ ...engine, store: withWrite(engine.store, write) }, process);
      }),
    );
    return results;
  }

  it("lets one of two equal claims of one worker send", async () => {
    const target = fakeTarget({ idempotent: false });
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "1", subject: "boston", data: { new_rate: 68 } });
    await core.map();
    const messages = await core.engine.queue.receive("lane:Fake@v1", { max: 1, visibilityMs: 1_000, waitMs: 0 });
    const worker = { connector: target.connector, owner: "o", acquire: async () => () => {} };

    const results = await race(core, async (engine) => {
      await deliver(engine, worker, messages);
    });

    expect(results.slice(0, 2).toSorted()).toEqual(["conflict", "written"]);
    expect(target.calls).toHaveLength(1);
  });

  it("counts two equal failures of one lane as two", async () => {
    await using core = await aCore();

    await race(core, async (engine) => {
      await recordFailure(engine, "Fake@v1", "lane");
    });

    expect((await core.engine.store.read("health", ["Fake@v1"]))[0]?.value.strikes).toEqual(["lane", "lane"]);
  });

  it("fails one of two connectors that write the same state", async () => {
    await using core = await aCore();
    const connector = core.engine.catalog.get("Fake@v1") as Connector;
    const failed: unknown[] = [];

    await race(core, async (engine) => {
      const context = await contextOf(engine, connector, new AbortController().signal);
      if (!context.ok) throw new Error(context.reason);
      await context.value.memory.get();
      await context.value.memory.set(1).catch((error) => failed.push(error));
    });

    expect(failed).toHaveLength(1);
  });

  it("lets one of two processes run a job's page", async () => {
    await using core = await aCore();
    const request = { from: 0, to: 1 };
    await startJob(core.engine, { kind: "replay", request, actor: "jo" });

    const results = await race(core, async (engine) => {
      await runJobs(engine, () => true);
    });

    expect(results.slice(0, 2).toSorted()).toEqual(["conflict", "written"]);
    expect(results).toHaveLength(4);
  });

  it("fails one of two readers of a stream", async () => {
    await using core = await aCore();
    const put = { kind: "cursor", id: "s", value: { position: "1" }, etag: 0 } as const;

    const results = await race(core, async ({ store }) => {
      await store.write([put]);
    });

    expect(results.toSorted()).toEqual(["conflict", "written"]);
  });
});
