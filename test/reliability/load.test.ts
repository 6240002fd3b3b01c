import { cpus } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { wallOverFloor } from "../../bench/scenario.ts";
import { burst } from "../../bench/scenarios/burst.ts";
import { floor } from "../../bench/scenarios/floor.ts";
import type { Targets } from "../../bench/target.ts";
import { startTargets } from "../../bench/target-process.ts";
import { Bridge, Event } from "../../index.ts";
import type { SettingsInput } from "../../platform/local/settings.ts";
import { home } from "../support/home.ts";
import { targetServer } from "../support/target-server.ts";
import { figure, full } from "./figure.ts";

const sheets = {
  "mappings/live.yaml": "source_event: live\ntargets: { hr: { connector: WorkForceNow, map: { rate: rate } } }\n",
  "mappings/both.yaml":
    "source_event: both\ntargets:\n  hr: { connector: WorkForceNow, map: { rate: rate } }\n  gis: { connector: GISTableConnector, map: { rate: rate } }\n",
};

/** Starts a bridge on disk and measures the time from each `emit` to its acknowledged delivery. */
function startBridge(baseUrl: string, times: SettingsInput["times"] = {}) {
  const folder = home(sheets);
  const deliveredAt = new Map<string, number>();
  let recovered = 0;
  const bridge = new Bridge({
    dir: `${folder.path}/.bridge`,
    mappings: `${folder.path}/mappings`,
    places: [folder.path],
    connectors: { WorkForceNow: { baseUrl }, GISTableConnector: { baseUrl } },
    times,
    log({ step, packet }) {
      if (step === "delivered") deliveredAt.set(String(packet), performance.now());
      if (step === "target-recovered") recovered++;
    },
  });
  const emitted = new Map<string, { at: number; kind: string }>();
  return {
    bridge,
    folder,
    emitted: () => emitted.size,
    delivered: () => deliveredAt.size,
    recovered: () => recovered,
    async emit(kind: string, subject: string, type = "live"): Promise<void> {
      const event = Event({ type, subject, data: { rate: Math.random() } });
      const at = performance.now();
      emitted.set(await bridge.emit(event), { at, kind });
    },
    /** Returns the sorted latencies of one kind of events. ms */
    async latencies(kind: string): Promise<number[]> {
      const { store } = await bridge.engine();
      const found = await store.read("packet", [...deliveredAt.keys()]);
      const times = found.flatMap((stored) => {
        const event = stored && emitted.get(stored.value.packet.event);
        return event?.kind === kind ? [(deliveredAt.get(stored?.value.packet.id as string) ?? 0) - event.at] : [];
      });
      return times.sort((a, b) => a - b);
    },
    async [Symbol.asyncDispose]() {
      await bridge.close();
      folder[Symbol.dispose]();
    },
  };
}

type LoadedBridge = ReturnType<typeof startBridge>;

/** Emits at a steady rate for a number of seconds. Resolves to the number of emits. */
async function steadily(perSecond: number, seconds: number, emit: (n: number) => Promise<void>): Promise<number> {
  const began = performance.now();
  const emits: Promise<void>[] = [];
  for (let n = 0; n < perSecond * seconds; n++) {
    const due = began + (n * 1_000) / perSecond;
    const early = due - performance.now();
    if (early > 1) await new Promise((resolve) => setTimeout(resolve, early));
    emits.push(emit(n));
  }
  await Promise.all(emits);
  return emits.length;
}

function p99(times: readonly number[]): number {
  return Math.round((times[Math.min(times.length - 1, Math.floor(times.length * 0.99))] ?? Number.NaN) * 10) / 10;
}

/** Starts a target in its own process. */
async function forkTarget() {
  const targetProcess = await startTargets();
  return {
    url: `http://127.0.0.1:${targetProcess.targets.port}`,
    [Symbol.dispose]: () => targetProcess[Symbol.dispose](),
  };
}

async function idleP99(load: LoadedBridge): Promise<number> {
  await steadily(50, full ? 20 : 1, (n) => load.emit("idle", `idle-${n}`));
  await load.bridge.settled(60_000);
  return p99(await load.latencies("idle"));
}

const seconds = full ? 300 : 4;

test(`200 events per second for ${seconds} s are delivered, 99 of 100 within a second`, {
  tags: "row-1",
  timeout: (seconds + 60) * 1_000,
}, async ({ task }) => {
  using target = await forkTarget();
  await using load = startBridge(target.url);
  await load.bridge.open();

  const sent = await steadily(200, seconds, (n) => load.emit("load", `r-${n}`));
  await load.bridge.settled(60_000);

  const times = await load.latencies("load");
  figure(task, `200/s for ${seconds} s, p99 ${p99(times)} ms`, {
    met: full && p99(times) <= 1_000,
  });
  expect(times).toHaveLength(sent);
  expect(p99(times)).toBeLessThanOrEqual(1_000);
});

const packets = full ? 25_000 : 4_000;

/** Largest allowed ratio: 1.15 × that of commit 2a54c69. Source: bench/comparisons/2a54c69.txt, `wall ÷ floor`. */
const maxRatio = 1.15 * 8.98;

/** Largest number of rounds. The best one counts, because other processes can only increase the ratio. */
const rounds = 3;

test(`a burst of ${packets} packets takes at most ${maxRatio.toFixed(1)} × a bare HTTP loop, and never more than 60 s`, {
  tags: "row-2",
  timeout: 300_000,
}, async ({ task }) => {
  using targetProcess = await startTargets();
  const measured: BurstRound[] = [];
  do measured.push(await measureBurst(targetProcess.targets));
  while (measured.length < rounds && !bestOf(measured).wasBusy && bestOf(measured).ratio > maxRatio);

  const { ratio, wasBusy } = bestOf(measured);
  const slowest = Math.max(...measured.map(({ seconds }) => seconds));
  const reached = `${packets} packets in ${slowest.toFixed(1)} s, ${ratio.toFixed(1)} × the bare loop`;
  figure(task, wasBusy ? `${reached}, on a busy machine` : reached, { met: full && ratio <= 3 });
  expect(slowest).toBeLessThanOrEqual(60);
  if (!wasBusy) expect(ratio).toBeLessThanOrEqual(maxRatio);
});

interface BurstRound {
  readonly seconds: number;
  /** Time of the burst, divided by the time in which the bare loop sends as many requests. */
  readonly ratio: number;
  /** True if the processors were never idle: other processes then slow the bridge, with its threads, more than the loop. */
  readonly wasBusy: boolean;
}

/** Measures the bare loop and then the burst, in this process and with the same target. */
async function measureBurst(targets: Targets): Promise<BurstRound> {
  using folder = home({});
  const library = () => import("../../index.ts");
  const context = { tree: process.cwd(), library, targets, packets, dir: folder.path };
  const bare = await floor.run(context);
  const idle = startIdleMeter();
  const { figures } = await burst.run(context);
  return {
    seconds: figures.seconds ?? Number.NaN,
    ratio: wallOverFloor.value(figures, bare.figures),
    wasBusy: idle() < 0.05,
  };
}

function bestOf(measured: readonly BurstRound[]): BurstRound {
  return measured.reduce((best, round) => (round.ratio < best.ratio ? round : best));
}

/** Returns a function that returns the share of the machine's processor time that was idle since the start. */
function startIdleMeter(): () => number {
  const sums = () => {
    const times = cpus().map((cpu) => cpu.times);
    const idle = times.reduce((sum, time) => sum + time.idle, 0);
    return { idle, all: times.flatMap((time) => Object.values(time)).reduce((sum, ms) => sum + ms, 0) };
  };
  const before = sums();
  return () => {
    const after = sums();
    return (after.idle - before.idle) / (after.all - before.all);
  };
}

const backlog = full ? 100_000 : 1_000;

test(`a backlog of ${backlog} packets is drained after an outage without delaying live events`, {
  tags: "row-3",
  timeout: full ? 1_800_000 : 120_000,
}, async ({ task }) => {
  await using target = await targetServer();
  // Probes every second instead of every 60 s, because the outage ends for the bridge only when a probe succeeds.
  await using load = startBridge(target.url, { probeMs: 1_000 });
  await load.bridge.open();
  const idle = await idleP99(load);
  await target.stop();
  let next = 0;
  await Promise.all(
    Array.from({ length: 50 }, async () => {
      while (next < backlog) await load.emit("late", `late-${next++}`);
    }),
  );
  // Waits until all events are parked, because the burst already measures how fast they are mapped.
  expect(await load.bridge.settled(full ? 600_000 : 60_000)).toBe(true);
  await target.restart();
  await expect.poll(load.recovered, { timeout: 120_000, interval: 20 }).toBeGreaterThan(0);

  let live = 0;
  const drained = async () => {
    const { QUEUED, RETRY } = (await load.bridge.tally()).packets;
    return QUEUED + RETRY < 50;
  };
  do live += await steadily(20, 2, (n) => load.emit("live", `live-${live + n}`));
  while (!(await drained()));
  await expect.poll(load.delivered, { timeout: 60_000 }).toBe(load.emitted());

  const times = await load.latencies("live");
  figure(task, `${backlog} drained, live p99 ${p99(times)} ms, idle p99 ${idle} ms`, {
    met: full && p99(times) <= 5 * idle,
  });
  expect(await load.latencies("late")).toHaveLength(backlog);
  // On a shared machine, a p99 of a few hundred ms is noise.
  expect(p99(times)).toBeLessThanOrEqual(Math.max(5 * idle, full ? 100 : 1_000));
  expect(times.at(-1)).toBeLessThanOrEqual(60_000);
  expect((await load.bridge.verify()).fault).toBeUndefined();
});

test("one entity with half of all load does not delay the others", { tags: "row-4", timeout: 180_000 }, async ({
  task,
}) => {
  using target = await forkTarget();
  await using load = startBridge(target.url);
  await load.bridge.open();
  const idle = await idleP99(load);

  await steadily(200, full ? 60 : 3, (n) =>
    n % 2 === 0 ? load.emit("hot", "the hot entity") : load.emit("other", `r-${n}`),
  );
  await load.bridge.settled(60_000);

  const others = p99(await load.latencies("other"));
  figure(task, `others' p99 ${others} ms, idle p99 ${idle} ms`, { met: full && others <= 5 * idle });
  // A p99 of a few ms is noise on a shared machine.
  expect(others).toBeLessThanOrEqual(Math.max(5 * idle, full ? 100 : 1_000));
});

const old = full ? 100_000 : 1_000;

test(`a backfill of ${old} events does not delay live events`, {
  tags: "row-31",
  timeout: full ? 1_800_000 : 120_000,
}, async ({ task }) => {
  using target = await forkTarget();
  await using load = startBridge(target.url);
  const line = (n: number) =>
    JSON.stringify({ id: `old-${n}`, source: "hms.snapshot", type: "live", subject: `old-${n}`, data: { rate: n } });
  load.folder.write("old.ndjson", Array.from({ length: old }, (_, n) => line(n)).join("\n"));
  await load.bridge.open();
  const idle = await idleP99(load);

  let running = true;
  const from = { file: join(load.folder.path, "old.ndjson"), asOf: new Date("2026-01-01T00:00:00Z") };
  const backfill = load.bridge.backfill(from, { targets: ["live.hr"] }).finally(() => {
    running = false;
  });
  let live = 0;
  do live += await steadily(20, 2, (n) => load.emit("live", `live-${live + n}`));
  while (running);
  const job = await backfill;
  await load.bridge.settled(60_000);

  const times = await load.latencies("live");
  figure(task, `${job.made} backfilled, live p99 ${p99(times)} ms, idle p99 ${idle} ms`, {
    met: full && p99(times) <= 5 * idle,
  });
  expect(job).toMatchObject({ status: "DONE", looked: old, made: old });
  expect(times).toHaveLength(live);
  expect(await load.bridge.statusesOf(job)).toEqual({ SENT: old });
  expect(p99(times)).toBeLessThanOrEqual(Math.max(5 * idle, full ? 100 : 1_000));
  expect((await load.bridge.verify()).fault).toBeUndefined();
});
