import { describe, expect, it } from "vitest";
import type { Engine } from "../../../bridge/engine.ts";
import { delivered, type Outcome, refused, retry } from "../../../bridge/model/outcome.ts";
import { aCore, type Core, type FakeTarget, fakeTarget } from "../../support/core.ts";
import { crashAfter } from "../../support/crash-after.ts";

describe("settle", () => {
  it("writes status, ledger entry and shadow together or not at all", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    const writes: string[][] = [];
    const engine = withWrites(core.engine, (puts, entries) => {
      writes.push([...puts.map(({ kind }) => kind), ...entries.map(({ step }) => step)]);
    });

    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.run(engine);

    expect(writes.at(-1)).toEqual(["packet", "shadow", "SENT"]);
  });

  it("sends the previous value again if the one between may have landed", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "1", data: { new_rate: 1 } });
    await core.run();
    target.behave = (packet) => {
      target.take(packet);
      return refused("answered 409");
    };
    await core.emit({ id: "2", data: { new_rate: 2 } });
    await core.run();
    target.behave = target.take;

    await core.emit({ id: "3", data: { new_rate: 1 } });
    await core.run();

    expect(target.state.get("rate-1") ?? target.state.get("per_diem")).toEqual({ dailyRate: 1 });
    expect((await core.packets()).map(({ progress }) => progress.status)).toEqual(["SENT", "HELD", "SENT"]);
  });

  it("sends no older value after one that may have landed", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], times: { backoffMs: [1_000] } });
    await core.emit({ id: "newer", subject: "r", sequence: 2, data: { new_rate: 2 } });
    target.behave = (packet) => {
      target.take(packet);
      return retry("the connection was reset");
    };
    await core.run();
    await core.clock.advance(2_000);
    await core.run();
    target.behave = target.take;

    await core.emit({ id: "older", subject: "r", sequence: 1, data: { new_rate: 1 } });
    await core.rest();

    expect(target.state.get("r")).toEqual({ dailyRate: 2 });
    expect((await core.packets()).map(({ progress }) => progress.status)).toEqual(["SENT", "SUPERSEDED"]);
  });

  it("sends no older value after an attempt that was cut off, even if the next one did not land", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], times: { backoffMs: [1_000] } });
    await core.emit({ id: "newer", subject: "r", sequence: 2, data: { new_rate: 2 } });
    await core.map();
    await core.deliverBatch(target, crashAfter(core.engine, 1));
    expect(target.state.get("r")).toEqual({ dailyRate: 2 });
    target.behave = () => retry("answered 429", { mayHaveLanded: false });
    for (let tries = 0; tries < 2; tries++) {
      await core.clock.advance(40_000);
      await core.run();
    }
    target.behave = target.take;

    await core.emit({ id: "older", subject: "r", sequence: 1, data: { new_rate: 1 } });
    await core.rest();

    expect(target.state.get("r")).toEqual({ dailyRate: 2 });
    expect((await core.packets()).map(({ progress }) => progress.status)).toEqual(["SENT", "SUPERSEDED"]);
  });

  it("does not send a value the target is known to hold", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });

    await core.emit({ id: "1", data: { new_rate: 1 } }, { id: "2", data: { new_rate: 1 } });
    await core.run();

    expect(target.calls).toHaveLength(1);
    expect((await core.packets()).map(({ progress }) => progress.status)).toEqual(["SENT", "UNCHANGED"]);
  });

  it("sends no older value after the target was found to hold a newer one already", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    const at = (second: number) => new Date(Date.parse("2026-03-01T11:00:00Z") + second * 1_000).toISOString();

    // The city is newest at second 9, so the event of second 5 has an older city and a rate the target already holds.
    await core.emit({ id: "1", time: at(1), data: { new_rate: 10 } });
    await core.emit({ id: "9", time: at(9), data: { city: "Bern" } });
    await core.emit({ id: "5", time: at(5), data: { new_rate: 10, city: "Basel" } });
    await core.emit({ id: "3", time: at(3), data: { new_rate: 7 } });
    await core.run();

    expect(target.state.get("per_diem")).toEqual({ dailyRate: 10, city: "Bern" });
    expect((await core.packets()).map(({ progress }) => progress.status)).toEqual([
      "SENT",
      "SENT",
      "SUPERSEDED",
      "SUPERSEDED",
    ]);
  });

  it("sends a deletion again if an upsert may have recreated the record", async () => {
    const target = fakeTarget();
    await using core = await aCore({
      targets: [target],
      sheets: {
        change: "source_event: changed\ntargets: { fake: { connector: Fake, map: { rate: rate } } }",
        remove: "source_event: removed\ntargets: { fake: { connector: Fake, action: delete } }",
      },
      times: { backoffMs: [1_000] },
    });
    const about = (id: string, type: string) => ({
      id,
      type,
      subject: "r",
      data: type === "changed" ? { rate: 1 } : {},
    });
    await core.emit(about("1", "changed"), about("2", "removed"));
    await core.run();
    target.behave = (packet) => {
      target.take(packet);
      return refused("answered 409 after taking it");
    };
    await core.emit(about("3", "changed"));
    await core.run();
    target.behave = target.take;

    await core.emit(about("4", "removed"));
    await core.run();

    expect(target.state.has("r")).toBe(false);
  });

  it("records a delivery on top of a concurrent write, without sending again", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.behave = async (packet) => {
      await rewrite(core, packet.id);
      return target.take(packet);
    };

    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.run();

    expect(target.calls).toHaveLength(1);
    expect((await core.only()).progress.status).toBe("SENT");
  });

  it("leaves a packet as it is if it was held during the attempt", async () => {
    const target = fakeTarget({ idempotent: false });
    await using core = await aCore({ targets: [target] });
    const { first, answer } = await twoAttempts(core, target, delivered());

    answer();
    await first;

    expect((await core.only()).progress.status).toBe("HELD");
    expect(core.lines.filter(({ step }) => step === "deliver-failed")).toEqual([]);
  });

  it.each([
    ["delivered", delivered()],
    ["failed", retry("the answer broke off")],
  ])("has one effect if the lease expired and the first attempt %s after the second", async (_, outcome) => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    const { first, answer } = await twoAttempts(core, target, outcome);

    answer();
    await first;
    await core.rest();

    expect([...target.effects.values()]).toEqual([1]);
    expect((await core.only()).progress.status).toBe("SENT");
    expect(core.lines.filter(({ step }) => step === "deliver-failed")).toEqual([]);
  });

  it("keeps a target's address of an entity out of the ledger", async () => {
    const target = fakeTarget();
    const governance = "rules: [{ id: record-key, field: entity, action: allow }]";
    await using core = await aCore({ targets: [target], governance });
    target.behave = () =>
      delivered({ at: "/tables/rates/rows/123-45-6789", status: 200, remoteId: "/rows/123-45-6789" });

    await core.emit({ id: "c-1", subject: "123-45-6789", data: { new_rate: 1 } });
    await core.run();

    expect((await core.only()).progress.delivery?.at).toBe("/tables/rates/rows/123-45-6789");
    expect(JSON.stringify(await core.entries())).not.toContain("6789");
    expect(JSON.stringify(core.lines)).not.toContain("6789");
  });

  it("holds a packet that has failed for a day while its target was up", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], times: { tickMs: 60_000 } });
    target.behave = () => retry("answered 500");

    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    const before = core.clock.now();
    await restByMinutes(core, 27 * 60);

    const { progress } = await core.only();
    expect(progress).toMatchObject({ status: "HELD" });
    expect(progress.reason).toMatch(/^it failed for 24 h while its target was up/);
    expect((await heldAt(core)) - before).toBeGreaterThanOrEqual(86_400_000);
  });

  it("does not count an outage as time the packet has failed", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.behave = () => retry("answered 503");
    target.awake = false;

    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await restByMinutes(core, 30 * 60);
    target.awake = true;
    target.behave = target.take;
    await restByMinutes(core, 5);

    expect((await core.only()).progress.status).toBe("SENT");
  });

  it("keeps the time of the first failure while a packet waits in the outbox of a target that is up", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], times: { backoffMs: [1_000] } });
    target.behave = () => retry("answered 500");

    await core.emit({ id: "c-1", data: { new_rate: 1 } });
    await core.run();
    const { failingSince } = (await core.only()).progress;
    await core.clock.advance(2_000);
    await core.run();

    expect((await core.only()).progress).toMatchObject({ place: "outbox", failingSince });
  });
});

/** Starts an attempt that hangs until its lease has expired and a second attempt was made. */
async function twoAttempts(core: Core, target: FakeTarget, outcome: Outcome) {
  let answer = () => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  target.behave = async (packet, call) => {
    if (call > 1) return target.take(packet);
    await answered;
    if (outcome.kind === "delivered") target.take(packet);
    return outcome;
  };
  await core.emit({ id: "c-1", data: { new_rate: 1 } });
  await core.map();
  // A process whose timers do not fire, as on a suspended machine.
  const stalled: Engine = {
    ...core.engine,
    clock: { ...core.engine.clock, now: () => core.clock.now(), after: () => () => {} },
  };
  const first = core.deliverBatch(target, stalled, "first");
  await core.clock.advance(181_000);
  await core.deliverBatch(target, core.engine, "second");
  return { first, answer };
}

/** Writes a packet's record again without changing it, as the watchdog might. */
async function rewrite(core: Core, id: string): Promise<void> {
  const [stored] = await core.engine.store.read("packet", [id]);
  if (stored) await core.engine.store.write([{ kind: "packet", id, value: stored.value, etag: stored.etag }]);
}

async function restByMinutes(core: Core, minutes: number): Promise<void> {
  const { runMaintenance } = await import("../../../bridge/maintenance/run-maintenance.ts");
  for (let minute = 0; minute < minutes; minute++) {
    await core.run();
    await runMaintenance(core.engine);
    await core.clock.advance(60_000);
  }
  await core.run();
}

async function heldAt(core: Core): Promise<number> {
  const { packet } = await core.only();
  return (await core.engine.store.chain(packet.id)).find(({ step }) => step === "HELD")?.at ?? 0;
}

function withWrites(engine: Engine, see: (...args: Required<Parameters<Engine["store"]["write"]>>) => void): Engine {
  const store = new Proxy(engine.store, {
    get(target, name) {
      const member = Reflect.get(target, name, target);
      if (name !== "write") return typeof member === "function" ? member.bind(target) : member;
      return (...[puts, entries = []]: Parameters<Engine["store"]["write"]>) => {
        see(puts, entries);
        return target.write(puts, entries);
      };
    },
  });
  return { ...engine, store };
}
