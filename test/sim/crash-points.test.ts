import { describe, expect, test } from "vitest";
import { changeHealth, markDown } from "../../bridge/delivery/circuit-breaker.ts";
import { figure, firstSeed, full } from "../reliability/figure.ts";
import { seededRandom } from "../support/clock.ts";
import type { Mood } from "./mood.ts";
import { invariantViolations } from "./oracle.ts";
import { snapshotLine, upTo } from "./plan.ts";
import type { Death } from "./process.ts";
import { World } from "./world.ts";

const pairs = full ? 10_000 : 150;
/** Step between the crash points of a scenario with many calls. 1 tries every call. */
const rosterStride = full ? 1 : 9;

interface Scenario {
  readonly name: string;
  /** Brings the world to its state before the process begins. */
  readonly before: (world: World) => Promise<void>;
  /** Work of the process; see `World.work`. */
  readonly work: string;
  readonly stride?: number;
}

function changed(id: string, data: object, more: object = {}) {
  const event = { id, source: "hms.plain", type: "record.changed", subject: "r1", data, ...more };
  return { do: "emit", body: JSON.stringify(event) } as const;
}

async function someEvents(world: World): Promise<void> {
  await world.act(changed("1", { a: 1, b: 1 }));
  await world.act(changed("2", { a: 2 }));
  await world.act(changed("1", { a: 1, b: 1 }));
  await world.act(changed("3", { a: 3 }, { subject: "r2" }));
  await world.act(changed("4", {}, { type: "record.removed", subject: "r2" }));
  await world.act(changed("5", {}, { type: "nobody.cares" }));
  await world.act({ do: "emit", body: "no event" });
}

async function mapped(world: World): Promise<void> {
  await someEvents(world);
  await world.work("map");
}

async function delivered(world: World): Promise<void> {
  await mapped(world);
  for (const { id } of world.targets) await world.work(id);
}

async function parked(world: World): Promise<void> {
  await mapped(world);
  for (const { id } of world.targets) await changeHealth(world.core.engine, id, markDown);
  for (const { id } of world.targets) await world.work(id);
  await world.act({ do: "wait", ms: 70_000 });
}

const moods: Mood[] = ["well", "failing", "throttling", "hanging", "losing", "refusing", "throwing", "locked"];

const scenarios: readonly Scenario[] = [
  { name: "the mapper", before: someEvents, work: "map" },
  {
    name: "a chunk of a roster",
    work: "map",
    stride: rosterStride,
    async before(world) {
      const people = Array.from({ length: 501 }, (_, i) => ({ badge: `p${i}`, a: i }));
      await world.act(changed("1", { people }, { type: "roster" }));
      await world.work("map");
    },
  },
  ...["Latest@v1", "Blunt@v1", "Journal@v1", "File@v1", "Mainframe@v1"].flatMap((id, target) =>
    moods.map(
      (mood): Scenario => ({
        name: `${id}, whose target is ${mood}`,
        work: id,
        async before(world) {
          await mapped(world);
          await world.act({ do: "mood", target, mood });
        },
      }),
    ),
  ),
  {
    name: "parking",
    work: "Latest@v1",
    async before(world) {
      await mapped(world);
      await changeHealth(world.core.engine, "Latest@v1", markDown);
    },
  },
  { name: "the probe of a target that wakes, and its redrive", before: parked, work: "keep" },
  {
    name: "a redrive that goes faster",
    work: "keep",
    async before(world) {
      await parked(world);
      await world.work("keep");
    },
  },
  {
    name: "the watchdog, where a queue was emptied",
    work: "keep",
    async before(world) {
      await mapped(world);
      for (const target of world.targets.keys()) await world.act({ do: "purge", target });
      await world.act({ do: "wait", ms: 130_000 });
    },
  },
  {
    name: "the watchdog, where the mapper ended in the middle",
    work: "keep",
    async before(world) {
      await someEvents(world);
      // Written, and nothing sent: its messages will be seen again only in 180 s.
      await world.work("map", { call: 4, after: true });
      await world.act({ do: "wait", ms: 130_000 });
    },
  },
  {
    name: "a replay",
    work: "jobs",
    async before(world) {
      await delivered(world);
      await world.act({ do: "replay", force: true });
    },
  },
  {
    name: "a back-fill of a snapshot",
    work: "jobs",
    async before(world) {
      await delivered(world);
      const lines = [1, 2, 2, 3].map((n) => snapshotLine(n, world.now));
      await world.act({ do: "backfill", lines, targets: ["record.latest", "record.journal"] });
    },
  },
];

async function crashedAt(scenario: Scenario, ...deaths: readonly Death[]): Promise<string[]> {
  await using world = await World.make({ seed: 1 });
  await scenario.before(world);
  for (const death of deaths) {
    await world.work(scenario.work, death);
    await world.act({ do: "wait", ms: 181_000 });
  }
  await world.heal();
  await world.rest();
  return (await invariantViolations(world)).map(({ law, about }) => `${law} ${about ?? ""}`);
}

async function callsOf(scenario: Scenario): Promise<number> {
  await using world = await World.make({ seed: 1 });
  await scenario.before(world);
  return (await world.work(scenario.work)).calls;
}

describe("a process ended at any of its calls", () => {
  test.for(scenarios)("loses nothing in $name", { timeout: 1_800_000 }, async (scenario, { task }) => {
    const calls = await callsOf(scenario);
    expect(calls).toBeGreaterThan(2);
    let points = 0;
    for (let call = 1; call <= calls; call += scenario.stride ?? 1) {
      points += 2;
      for (const after of [false, true]) {
        const broken = await crashedAt(scenario, { call, after });
        expect(broken, `${after ? "after" : "before"} call ${call} of ${calls}`).toEqual([]);
      }
    }
    figure(task, `${points} points`, { met: points === 2 * calls });
  });

  test(`loses nothing over ${pairs} pairs of crashes`, { timeout: 60_000 + pairs * 2_000 }, async ({ task }) => {
    const random = seededRandom(firstSeed);
    const short = scenarios.filter(({ stride }) => stride === undefined);
    const calls = await Promise.all(short.map(callsOf));
    for (let pair = 0; pair < pairs; pair++) {
      const i = upTo(random, short.length);
      const deaths = [0, 1].map(() => ({
        call: 1 + upTo(random, calls[i] as number),
        after: random.fraction() < 0.5,
      }));
      const broken = await crashedAt(short[i] as Scenario, ...deaths);
      expect(broken, `pair ${pair}: ${short[i]?.name} ${JSON.stringify(deaths)}`).toEqual([]);
    }
    figure(task, `${pairs} pairs`, { met: pairs >= 10_000, seed: firstSeed });
  });
});
