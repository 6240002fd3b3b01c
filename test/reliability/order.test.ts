import { describe, expect, test } from "vitest";
import { verifyLedger } from "../../bridge/ledger/verify.ts";
import { invariantViolations } from "../sim/oracle.ts";
import { type Action, plan } from "../sim/plan.ts";
import { simulate } from "../sim/simulate.ts";
import { World } from "../sim/world.ts";
import { seededRandom } from "../support/clock.ts";
import { aCore, fakeTarget } from "../support/core.ts";
import { figure, full } from "./figure.ts";

/** Six changes with overlapping fields. */
const changes = [{ a: 1 }, { b: 1, a: 2 }, { a: 1, c: 1 }, { b: 2 }, { a: 2, b: 2 }, { c: null, a: 1 }];
const sheets = { r: "source_event: changed\ntargets: { fake: { connector: Fake, map: { a: a, b: b, c: c } } }" };

test("every order of up to six events of one entity ends with the newest values", { tags: "row-9" }, async ({
  task,
}) => {
  const target = fakeTarget();
  await using core = await aCore({ targets: [target], sheets });
  const orders = [1, 2, 3, 4, 5, 6].flatMap((count) => permutations(count));

  for (const [o, order] of orders.entries()) {
    for (const i of order) {
      await core.emit({ id: `${o}.${i}`, type: "changed", subject: `r${o}`, sequence: i, data: changes[i] ?? {} });
    }
  }
  await core.run();

  const expected = new Map(
    orders.map((order, o) => [`r${o}`, Object.assign({}, ...changes.slice(0, order.length)) as object]),
  );
  expect(target.state).toEqual(expected);
  figure(task, `${orders.length} orders`);
});

test("an event received up to five times, at once or more than 5 min later, has one effect", {
  tags: "row-8",
}, async () => {
  const target = fakeTarget();
  await using core = await aCore({ targets: [target] });
  const event = (n: number) => ({ id: `${n}`, subject: `r${n}`, data: { new_rate: n } });

  for (let round = 0; round < 5; round++) {
    for (let n = 1; n <= 5; n++) if (round < n) await core.emit(event(n));
    await core.run();
    await core.clock.advance(round % 2 === 0 ? 301_000 : 1_000);
  }

  expect(target.calls).toHaveLength(5);
  expect((await core.engine.store.tally()).events).toMatchObject({ EXPANDED: 5, duplicates: 10 });
});

test("a packet keeps the sheet it was created with while it waits", { tags: "row-21" }, async () => {
  const target = fakeTarget();
  await using core = await aCore({ targets: [target], sheets });
  target.awake = false;
  target.behave = () => ({ kind: "retry", reason: "answered 503", mayHaveLanded: false });
  await core.emit({ id: "1", type: "changed", subject: "r", data: { a: 1 } });
  await core.run();

  await core.use({ r: sheets.r.replace("a: a", "a: renamed") });
  await core.clock.advance(60_000);
  target.awake = true;
  target.behave = target.take;
  await core.rest();

  expect(target.state.get("r")).toEqual({ a: 1 });
});

describe("the bridge with a failing store and queue", () => {
  test.each([1, 10, 50])(
    "loses nothing if %i of a hundred calls fail, before or after their effect",
    { tags: "row-19", timeout: 120_000 },
    async (percent) => {
      for (let seed = 1; seed <= (full ? 100 : 8); seed++) {
        const emits = plan(seededRandom(seed), 25, Date.parse("2026-03-01T12:00:00Z")).filter(
          (action) => action.do === "emit",
        );
        const run = await simulate({ seed, actions: [{ do: "faults", percent }, ...emits] });
        expect(run.violations, `seed ${seed}`).toEqual([]);
      }
    },
  );
});

test("a first attempt that still runs when its message is redelivered has one effect or is held as unknown", {
  tags: "row-12",
  timeout: 120_000,
}, async () => {
  for (let seed = 1; seed <= (full ? 300 : 20); seed++) {
    const emits = plan(seededRandom(seed), 25, Date.parse("2026-03-01T12:00:00Z")).filter(
      (action) => action.do === "emit",
    );
    const wait: Action = { do: "wait", ms: 200_000 };
    const actions = emits.flatMap((action, i): Action[] => (i % 4 === 0 ? [action, wait] : [action]));
    const run = await simulate({ seed, actions: [{ do: "crashes", percent: 50 }, ...actions] });
    expect(run.violations, `seed ${seed}`).toEqual([]);
  }
});

const days = full ? 30 : 1;
const totalPackets = full ? 1_000_000 : 4_000;

test(`delivers everything over ${days} virtual days with outages`, {
  tags: "row-5",
  timeout: full ? 7_200_000 : 120_000,
}, async ({ task }) => {
  const random = seededRandom(5);
  let packets = 0;
  let calls = 0;
  // Each day has its own store, so its whole ledger is verified and memory stays bounded.
  for (let day = 0; day < days; day++) {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], seed: day });
    const newest = new Map<string, number>();
    const hours = 24;
    const perHour = Math.ceil(totalPackets / days / hours);
    for (let hour = 0; hour < hours; hour++) {
      const down = random.fraction() < 0.2;
      target.awake = !down;
      target.behave = down ? () => ({ kind: "retry", reason: "answered 503", mayHaveLanded: true }) : target.take;
      for (let n = 0; n < perHour; n++) {
        const subject = `r${Math.floor(random.fraction() * perHour)}`;
        newest.set(subject, ++packets);
        await core.emit({ id: `${packets}`, subject, data: { new_rate: packets } });
      }
      await core.rest(down ? 30_000 : 600_000);
      await core.clock.advance(3_600_000 - 600_000);
    }
    target.awake = true;
    target.behave = target.take;
    await core.rest(86_400_000);
    calls += target.calls.length;
    const { events, packets: counts } = await core.engine.store.tally();
    expect(events).toMatchObject({ EXPANDED: perHour * hours, EXPANDING: 0, UNMATCHED: 0, QUARANTINED: 0 });
    expect(counts).toMatchObject({ QUEUED: 0, RETRY: 0, HELD: 0 });
    expect(counts.SENT + counts.UNCHANGED + counts.SUPERSEDED).toBe(perHour * hours);
    expect((await verifyLedger(core.engine)).fault).toBeUndefined();
    expect([...target.effects.values()].every((count) => count === 1)).toBe(true);
    expect(new Map([...target.state].map(([subject, fields]) => [subject, fields.dailyRate]))).toEqual(newest);
  }
  figure(task, `${packets} packets, ${calls} calls, ${days} days`, { met: packets >= 1_000_000, seed: 5 });
});

test("a value changed by hand at the target stays until a replay with --force, which repairs it", {
  tags: "row-30",
}, async () => {
  await using world = await World.make({ seed: 1 });
  const event = { id: "1", source: "hms.plain", type: "record.changed", subject: "r1", data: { a: 1, b: 2 } };
  await world.apply({ do: "emit", body: JSON.stringify(event) });
  await world.runUntilIdle();
  const [latest] = world.targets;
  latest?.state.set("r1", { a: 99, b: 2 });

  await world.apply({ do: "replay", force: false });
  await world.runUntilIdle();
  expect(latest?.state.get("r1")).toEqual({ a: 99, b: 2 });
  await world.apply({ do: "replay", force: true });
  await world.apply({ do: "replay", force: true });
  await world.runUntilIdle();

  expect(latest?.state.get("r1")).toEqual({ a: 1, b: 2 });
  expect(await invariantViolations(world)).toEqual([]);
});

function permutations(count: number): number[][] {
  if (count === 0) return [[]];
  return permutations(count - 1).flatMap((shorter) =>
    Array.from({ length: count }, (_, i) => [...shorter.slice(0, i), count - 1, ...shorter.slice(i)]),
  );
}
