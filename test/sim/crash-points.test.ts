import { describe, expect, test } from "vitest";
import { changeHealth, markDown } from "../../bridge/delivery/circuit-breaker.ts";
import { figure, firstSeed, full } from "../reliability/figure.ts";
import { seededRandom } from "../support/clock.ts";
import { invariantViolations } from "./oracle.ts";
import { integerBelow, snapshotLine } from "./plan.ts";
import type { Crash } from "./process.ts";
import type { TargetMode } from "./target-mode.ts";
import { World } from "./world.ts";

const pairs = full ? 10_000 : 30;
/** Number of calls of each scenario at which a short run crashes. */
const callsOfShortRun = 2;

interface Scenario {
  readonly name: string;
  /** Prepares the world before the process begins. */
  readonly prepare: (world: World) => Promise<void>;
  /** Work of the process; see `World.work`. */
  readonly work: string;
  /** True if it takes too long for the pairs of crashes. */
  readonly isLong?: true;
}

function changed(id: string, data: object, more: object = {}) {
  const event = { id, source: "hms.plain", type: "record.changed", subject: "r1", data, ...more };
  return { do: "emit", body: JSON.stringify(event) } as const;
}

async function emitEvents(world: World): Promise<void> {
  await world.apply(changed("1", { a: 1, b: 1 }));
  await world.apply(changed("2", { a: 2 }));
  await world.apply(changed("1", { a: 1, b: 1 }));
  await world.apply(changed("3", { a: 3 }, { subject: "r2" }));
  await world.apply(changed("4", {}, { type: "record.removed", subject: "r2" }));
  await world.apply(changed("5", {}, { type: "nobody.cares" }));
  await world.apply({ do: "emit", body: "no event" });
}

async function mapEvents(world: World): Promise<void> {
  await emitEvents(world);
  await world.work("map");
}

async function deliverPackets(world: World): Promise<void> {
  await mapEvents(world);
  for (const { id } of world.targets) await world.work(id);
}

async function parkPackets(world: World): Promise<void> {
  await mapEvents(world);
  for (const { id } of world.targets) await changeHealth(world.core.engine, id, markDown);
  for (const { id } of world.targets) await world.work(id);
  await world.apply({ do: "wait", ms: 70_000 });
}

const targetModes: TargetMode[] = [
  "healthy",
  "failing",
  "throttling",
  "hanging",
  "losing-answers",
  "refusing",
  "throwing",
  "unauthorized",
];

const scenarios: readonly Scenario[] = [
  { name: "the mapper", prepare: emitEvents, work: "map" },
  {
    name: "a chunk of a roster",
    work: "map",
    isLong: true,
    async prepare(world) {
      const people = Array.from({ length: 501 }, (_, i) => ({ badge: `p${i}`, a: i }));
      await world.apply(changed("1", { people }, { type: "roster" }));
      await world.work("map");
    },
  },
  ...["Latest@v1", "Blunt@v1", "Journal@v1", "File@v1", "Mainframe@v1"].flatMap((id, target) =>
    targetModes.map(
      (mode): Scenario => ({
        name: `delivery to ${id} with the target in mode "${mode}"`,
        work: id,
        async prepare(world) {
          await mapEvents(world);
          await world.apply({ do: "mode", target, mode });
        },
      }),
    ),
  ),
  {
    name: "delivery to a target that is down",
    work: "Latest@v1",
    async prepare(world) {
      await mapEvents(world);
      await changeHealth(world.core.engine, "Latest@v1", markDown);
    },
  },
  { name: "the probe of recovered targets and the redrive of their outboxes", prepare: parkPackets, work: "maintain" },
  {
    name: "the rate increase of a running redrive",
    work: "maintain",
    async prepare(world) {
      await parkPackets(world);
      await world.work("maintain");
    },
  },
  {
    name: "the watchdog after all lane queues and outboxes are purged",
    work: "maintain",
    async prepare(world) {
      await mapEvents(world);
      for (const target of world.targets.keys()) await world.apply({ do: "purge", target });
      await world.apply({ do: "wait", ms: 130_000 });
    },
  },
  {
    name: "the watchdog after the mapper crashes",
    work: "maintain",
    async prepare(world) {
      await emitEvents(world);
      // Crashes after some packets are recorded and before any is enqueued. The inbox messages stay invisible for 180 s,
      // so after 130 s only the watchdog can find the packets.
      await world.work("map", { call: 4, after: true });
      await world.apply({ do: "wait", ms: 130_000 });
    },
  },
  {
    name: "a forced replay",
    work: "jobs",
    async prepare(world) {
      await deliverPackets(world);
      await world.apply({ do: "replay", force: true });
    },
  },
  {
    name: "a backfill from a snapshot file",
    work: "jobs",
    async prepare(world) {
      await deliverPackets(world);
      const lines = [1, 2, 2, 3].map((n) => snapshotLine(n, world.now));
      await world.apply({ do: "backfill", lines, targets: ["record.latest", "record.journal"] });
    },
  },
];

/** Runs a scenario's process with one or more crashes, then without, and returns the violations. */
async function violationsAfter(scenario: Scenario, ...crashes: readonly Crash[]): Promise<string[]> {
  await using world = await World.make({ seed: 1 });
  await scenario.prepare(world);
  for (const crash of crashes) {
    await world.work(scenario.work, crash);
    await world.apply({ do: "wait", ms: 181_000 });
  }
  await world.restore();
  await world.runUntilIdle();
  return (await invariantViolations(world)).map(({ message, subject }) => `${message} ${subject ?? ""}`);
}

/** Counts the calls of the process if it does not crash. */
async function callsOf(scenario: Scenario): Promise<number> {
  await using world = await World.make({ seed: 1 });
  await scenario.prepare(world);
  return (await world.work(scenario.work)).calls;
}

describe("a process with a crash at any of its calls", () => {
  test.for(scenarios)("loses nothing in $name", { tags: "row-6", timeout: 1_800_000 }, async (scenario, { task }) => {
    const calls = await callsOf(scenario);
    expect(calls).toBeGreaterThan(2);
    const stride = full ? 1 : Math.ceil(calls / callsOfShortRun);
    // A short run covers different calls of similar scenarios.
    const first = 1 + (scenarios.indexOf(scenario) % stride);
    let points = 0;
    for (let call = first; call <= calls; call += stride) {
      points += 2;
      for (const after of [false, true]) {
        const violations = await violationsAfter(scenario, { call, after });
        expect(violations, `${after ? "after" : "before"} call ${call} of ${calls}`).toEqual([]);
      }
    }
    figure(task, `${points} points`, { met: points === 2 * calls });
  });

  test(`loses nothing over ${pairs} pairs of crashes`, { tags: "row-7", timeout: 60_000 + pairs * 2_000 }, async ({
    task,
  }) => {
    const random = seededRandom(firstSeed);
    const short = scenarios.filter(({ isLong }) => !isLong);
    const calls = await Promise.all(short.map(callsOf));
    for (let pair = 0; pair < pairs; pair++) {
      const i = integerBelow(random, short.length);
      const crashes = [0, 1].map(() => ({
        call: 1 + integerBelow(random, calls[i] as number),
        after: random.fraction() < 0.5,
      }));
      const violations = await violationsAfter(short[i] as Scenario, ...crashes);
      expect(violations, `pair ${pair}: ${short[i]?.name} ${JSON.stringify(crashes)}`).toEqual([]);
    }
    figure(task, `${pairs} pairs`, { met: pairs >= 10_000, seed: firstSeed });
  });
});
