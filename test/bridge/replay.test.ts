import { describe, expect, it } from "vitest";
import { startJob } from "../../bridge/jobs.ts";
import { refused } from "../../bridge/outcome.ts";
import { packetsOf, type ReplayRequest } from "../../bridge/replay.ts";
import { verifyLedger } from "../../bridge/verify.ts";
import { aCore, brokenLaws, type Core, fakeTarget } from "../support/core.ts";

describe("replay", () => {
  it("ends UNCHANGED what the target already has", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target);
    const calls = target.calls.length;

    const again = await replayed(core);
    await core.rest();

    expect(again).toHaveLength(3);
    expect(target.calls).toHaveLength(calls);
    expect(await statuses(core, again)).toEqual(["UNCHANGED", "UNCHANGED", "UNCHANGED"]);
    expect(await brokenLaws(core, 3)).toEqual([]);
  });

  it("leaves older values superseded: no field goes back", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    for (const rate of [1, 2, 3]) {
      await core.emit({ id: `${rate}`, subject: "a", sequence: rate, data: { new_rate: rate } });
      await core.run();
    }

    const again = await replayed(core);
    await core.rest();

    expect(target.state.get("a")).toEqual({ dailyRate: 3 });
    expect(await statuses(core, again)).toEqual(["SUPERSEDED", "SUPERSEDED", "UNCHANGED"]);
  });

  it("sends again with --force, under an id of its own, and repairs a restored target", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target);
    target.state.clear();

    const again = await replayed(core, { force: true });
    await core.rest();

    expect(target.state.size).toBe(3);
    expect(await statuses(core, again)).toEqual(["SENT", "SENT", "SENT"]);
    expect(new Set(target.calls.map(({ id }) => id)).size).toBe(6);
    expect([...target.effects.values()].every((times) => times === 1)).toBe(true);
  });

  it("with --force brings no older value back either", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    for (const rate of [1, 2, 3]) {
      await core.emit({ id: `${rate}`, subject: "a", sequence: rate, data: { new_rate: rate } });
      await core.run();
    }
    target.state.set("a", { dailyRate: 1 });

    await replayed(core, { force: true });
    await core.rest();

    expect(target.calls.slice(3).map(({ fields }) => fields.dailyRate)).toEqual([3]);
    expect(target.state.get("a")).toEqual({ dailyRate: 3 });
  });

  it("twice over the same window makes each packet again each time, and never a replay of a replay", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target);

    const first = await replayed(core);
    await core.rest();
    const second = await replayed(core);
    await core.rest();

    expect(first).toHaveLength(3);
    expect(second).toHaveLength(3);
    expect(new Set([...first, ...second]).size).toBe(6);
    expect((await verifyLedger(core.engine)).fault).toBeUndefined();
  });

  it("at once by two operators makes revisions of different ids, all of them closed", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target);

    const [a, b] = await Promise.all([replayed(core), replayed(core)]);
    await core.rest();

    expect(new Set([...a, ...b]).size).toBe(6);
    expect(new Set(await statuses(core, [...a, ...b]))).toEqual(new Set(["UNCHANGED"]));
  });

  it("takes the window by time of recording, from inclusive, to exclusive, and one connector only", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    const began = core.clock.now();
    for (const rate of [0, 1, 2, 3]) {
      await core.emit({ id: `${rate}`, subject: `${rate}`, data: { new_rate: rate } });
      await core.run();
      await core.clock.advance(1_000);
    }

    expect(await replayed(core, { from: began + 1_000, to: began + 3_000 })).toHaveLength(2);
    expect(await replayed(core, { from: began, to: began })).toHaveLength(0);
    expect(await replayed(core, { from: 0, connector: "Other@v1" })).toHaveLength(0);
  });

  it("leaves open and held packets out", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.behave = () => refused("answered 422");
    await core.emit({ id: "1", subject: "a", data: { new_rate: 1 } }, { id: "2", subject: "b", data: { new_rate: 2 } });
    await core.run();

    expect(await replayed(core)).toEqual([]);
  });

  it("says in the ledger who asked, and what it replays", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target);
    const [original] = await core.packets();

    const [again] = await replayed(core, { force: true });

    const [birth] = await core.engine.store.chain(again as string);
    expect(birth?.facts).toMatchObject({ actor: "jo", replayOf: original?.packet.id, force: true });
  });

  it("reads on past a page of packets", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit(...Array.from({ length: 450 }, (_, i) => ({ id: `${i}`, subject: `${i}`, data: { new_rate: i } })));
    await core.run();

    const again = await replayed(core);
    await core.rest();

    expect(again).toHaveLength(450);
    expect(await brokenLaws(core, 450)).toEqual([]);
  });

  it("during live traffic ends with the newest value everywhere", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target);

    const replaying = replayed(core, { force: true });
    await core.emit({ id: "new", subject: "b", data: { new_rate: 99 } });
    await core.run();
    await replaying;
    await core.rest();

    expect(target.state.get("b")).toEqual({ dailyRate: 99 });
  });
});

async function aDeliveredCore(target: ReturnType<typeof fakeTarget>): Promise<Core> {
  const core = await aCore({ targets: [target] });
  await core.emit(...["a", "b", "c"].map((subject, i) => ({ id: subject, subject, data: { new_rate: i } })));
  await core.run();
  await core.clock.advance(1_000);
  return core;
}

async function replayed(core: Core, request: Partial<ReplayRequest> = {}): Promise<string[]> {
  const all = { from: 0, to: Number.MAX_SAFE_INTEGER, ...request };
  const job = await startJob(core.engine, { kind: "replay", request: all, actor: "jo" });
  await core.jobs();
  const ids: string[] = [];
  for await (const { packet } of packetsOf(core.engine, job)) ids.push(packet.id);
  return ids;
}

async function statuses(core: Core, ids: readonly string[]): Promise<(string | undefined)[]> {
  return (await core.engine.store.read("packet", ids)).map((stored) => stored?.value.progress.status);
}
