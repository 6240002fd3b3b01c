import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { startJob } from "../../../bridge/jobs/job-runner.ts";
import { packetsOf, previewReplay } from "../../../bridge/jobs/replay.ts";
import { verifyLedger } from "../../../bridge/ledger/verify.ts";
import type { ReplayRequest } from "../../../bridge/model/job.ts";
import { refused } from "../../../bridge/model/outcome.ts";
import { aCore, type Core, fakeTarget, invariantViolations, onePerDiem } from "../../support/core.ts";
import { home } from "../../support/home.ts";

describe("replay", { tags: "row-30" }, () => {
  it("ends UNCHANGED if the target already has the value", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target);
    const calls = target.calls.length;

    const again = await replayed(core);
    await core.rest();

    expect(again).toHaveLength(3);
    expect(target.calls).toHaveLength(calls);
    expect(await statuses(core, again)).toEqual(["UNCHANGED", "UNCHANGED", "UNCHANGED"]);
    expect(await invariantViolations(core, 3)).toEqual([]);
  });

  it("ends SUPERSEDED for older values, so no field returns to one", async () => {
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

  it("sends again with --force under a new id and repairs a restored target", async () => {
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

  it("sends no older value with --force either", async () => {
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

  it("replays each packet again in a second run, and never replays a replay", async () => {
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

  it("creates separate revisions for two simultaneous replays and closes all of them", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target);

    const [a, b] = await Promise.all([replayed(core), replayed(core)]);
    await core.rest();

    expect(new Set([...a, ...b]).size).toBe(6);
    expect(new Set(await statuses(core, [...a, ...b]))).toEqual(new Set(["UNCHANGED"]));
  });

  it("selects packets of one connector by time of recording, including the start and excluding the end", async () => {
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

  it("skips open and held packets", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.behave = () => refused("answered 422");
    await core.emit({ id: "1", subject: "a", data: { new_rate: 1 } }, { id: "2", subject: "b", data: { new_rate: 2 } });
    await core.run();

    expect(await replayed(core)).toEqual([]);
  });

  it("records the operator and the replayed packet in the ledger", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target);
    const [original] = await core.packets();

    const [again] = await replayed(core, { force: true });

    const [birth] = await core.engine.store.chain(again as string);
    expect(birth?.facts).toMatchObject({ actor: "jo", replayOf: original?.packet.id, force: true });
  });

  it("reads more than one page of packets", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit(...Array.from({ length: 450 }, (_, i) => ({ id: `${i}`, subject: `${i}`, data: { new_rate: i } })));
    await core.run();

    const again = await replayed(core);
    await core.rest();

    expect(again).toHaveLength(450);
    expect(await invariantViolations(core, 450)).toEqual([]);
  });

  it("leaves the newest value everywhere during live traffic", async () => {
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

describe("replay with the current sheets", { tags: "row-30" }, () => {
  const renamed = onePerDiem.replace("new_rate: dailyRate", "new_rate: rate_of_day");

  it("sends what the current sheet maps from the event, with the original version", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target);
    const [original] = await core.packets();
    await core.use({ per_diem: renamed });

    const again = await replayed(core, { sheet: "current" });
    await core.rest();

    expect(await statuses(core, again)).toEqual(["SENT", "SENT", "SENT"]);
    expect(target.calls.slice(3).map(({ fields }) => fields)).toEqual([
      { rate_of_day: 0 },
      { rate_of_day: 1 },
      { rate_of_day: 2 },
    ]);
    const [first] = await core.engine.store.read("packet", again);
    expect(first?.value.packet).toMatchObject({
      replayOf: original?.packet.id,
      version: { ...original?.packet.version, revision: 1 },
    });
    expect(first?.value.packet.sheetHash).not.toBe(original?.packet.sheetHash);
    expect(await invariantViolations(core, 3)).toEqual([]);
  });

  it("ends UNCHANGED with the same sheet and sends no older value", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    for (const rate of [1, 2, 3]) {
      await core.emit({ id: `${rate}`, subject: "a", sequence: rate, data: { new_rate: rate } });
      await core.run();
    }
    await core.clock.advance(1_000);

    const again = await replayed(core, { sheet: "current" });
    await core.rest();

    expect(await statuses(core, again)).toEqual(["SUPERSEDED", "SUPERSEDED", "UNCHANGED"]);
    expect(target.calls).toHaveLength(3);
  });

  it("holds packets that the current policy blocks, with the field and the rule", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target);
    await core.use(
      { per_diem: onePerDiem },
      "otherwise: block\nrules: [{ id: no-rates, field: dailyRate, action: block }]",
    );

    const again = await replayed(core, { sheet: "current" });
    const pinned = await replayed(core, { sheet: "pinned" });
    await core.rest();

    const [held] = await core.engine.store.read("packet", again);
    expect(held?.value.progress).toMatchObject({ status: "HELD", reason: "governance blocks dailyRate (no-rates)" });
    expect((await core.engine.store.chain(again[0] as string))[0]?.facts).toMatchObject({
      actor: "jo",
      reason: "governance",
    });
    expect(await statuses(core, pinned)).toEqual(["HELD", "HELD", "HELD"]);
    expect(target.calls).toHaveLength(3);
  });

  it("skips packets that the current sheets no longer create", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target);

    await core.use({ per_diem: `${onePerDiem}when: data.new_rate > 1\n` });
    expect(await replayed(core, { sheet: "current" })).toHaveLength(1);
    await core.use({ per_diem: `${onePerDiem}key: data.new_rate\n` });
    expect(await replayed(core, { sheet: "current" })).toEqual([]);
    await core.use({ other: onePerDiem });
    expect(await replayed(core, { sheet: "current" })).toEqual([]);
  });

  it("finds each element of a roster again in the event or its file", async () => {
    const people = Array.from({ length: 600 }, (_, i) => ({ badge: `b${i}`, desk: i, room: -i }));
    using folder = home({ "in/roster": people.map((one) => `${JSON.stringify(one)}\n`).join("") });
    const sheet = (forEach: string, field: string) =>
      `source_event: roster\ntargets:\n  fake: { connector: Fake, for_each: ${forEach}, key: badge, map: { ${field}: place } }\n`;
    const target = fakeTarget();
    await using core = await aCore({
      targets: [target],
      sheets: { a: sheet("data.people", "desk") },
      places: [join(folder.path, "in")],
    });
    await core.emit({ id: "1", type: "roster", data: { people } });
    await core.rest();
    await core.use({ b: sheet("{ ndjson: data.uri }", "desk") });
    await core.emit({ id: "2", type: "roster", data: { uri: pathToFileURL(join(folder.path, "in/roster")).href } });
    await core.rest();
    await core.clock.advance(1_000);

    await core.use({ a: sheet("data.people", "room"), b: sheet("{ ndjson: data.uri }", "room") });
    const again = await replayed(core, { sheet: "current" });
    await core.rest();

    expect(again).toHaveLength(1_200);
    expect(target.state.get("b599")).toEqual({ place: -599 });
    const revised = await core.engine.store.read("packet", again);
    expect(
      revised.every((stored) => stored?.value.packet.fields.place === -(stored?.value.packet.element as number)),
    ).toBe(true);
  });
});

describe("replay preview", { tags: "row-30" }, () => {
  it("counts the results of all packets without writing anything", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target);
    await core.emit({ id: "new", subject: "a", data: { new_rate: 9 } });
    await core.run();
    await core.clock.advance(1_000);
    const before = await core.entries();
    const request = { from: 0, to: Number.MAX_SAFE_INTEGER };

    const trial = await previewReplay(core.engine, request);
    const forced = await previewReplay(core.engine, { ...request, force: true });

    expect(trial).toEqual({ looked: 4, sent: 0, unchanged: 3, superseded: 1, held: 0 });
    expect(forced).toEqual({ looked: 4, sent: 3, unchanged: 0, superseded: 1, held: 0 });
    expect(await core.entries()).toEqual(before);
    expect(await core.engine.store.jobs({ limit: 1 })).toEqual([]);
  });

  it("counts a full packet that is sent with newer values as sent", async () => {
    const target = fakeTarget();
    const map = "connector: Fake, map: { a: a, b: b }";
    await using core = await aCore({
      targets: [target],
      sheets: {
        part: `source_event: record.changed\ntargets: { fake: { ${map} } }`,
        whole: `source_event: record.whole\ntargets: { fake: { ${map}, send: full } }`,
      },
    });
    await core.emit({ id: "1", type: "record.whole", subject: "r", data: { a: 1, b: 1 } });
    await core.emit({ id: "2", type: "record.changed", subject: "r", data: { b: 2 } });
    await core.run();

    const request = { from: 0, to: Number.MAX_SAFE_INTEGER, sheet: "pinned", force: true } as const;
    expect(await previewReplay(core.engine, request)).toMatchObject({ sent: 2, superseded: 0 });
  });

  it("matches the result of the actual replay", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target);
    await core.use({
      per_diem: onePerDiem.replace("new_rate: dailyRate", () => "new_rate: { to: dailyRate, with: '$ = 1 ? 7 : $' }"),
    });

    const trial = await previewReplay(core.engine, { from: 0, to: Number.MAX_SAFE_INTEGER, sheet: "current" });
    const again = await replayed(core, { sheet: "current" });
    await core.rest();

    expect(trial).toEqual({ looked: 3, sent: 1, unchanged: 2, superseded: 0, held: 0 });
    expect((await statuses(core, again)).sort()).toEqual(["SENT", "UNCHANGED", "UNCHANGED"]);
  });
});

describe("replay after a change by hand at the target", { tags: "row-30" }, () => {
  it("repairs the change only with --force", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target);
    target.state.set("b", { dailyRate: 666 });

    await replayed(core);
    await core.rest();
    expect(target.state.get("b")).toEqual({ dailyRate: 666 });
    await replayed(core, { force: true });
    await core.rest();

    expect(target.state.get("b")).toEqual({ dailyRate: 1 });
  });

  it("repairs the change with the current sheet and --force, once however often it runs", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target);
    target.state.set("b", { dailyRate: 666 });

    await Promise.all([replayed(core, { force: true, sheet: "current" }), replayed(core, { force: true })]);
    await core.rest();

    expect(target.state.get("b")).toEqual({ dailyRate: 1 });
    expect([...target.effects.values()].every((times) => times === 1)).toBe(true);
  });
});

describe("overlapping replays", { tags: "row-30" }, () => {
  it("keeps the newest value everywhere, also during live traffic", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    for (let i = 0; i < 60; i++) {
      await core.emit({ id: `${i}`, subject: `s${i % 7}`, sequence: i, data: { new_rate: i } });
      await core.run();
      await core.clock.advance(10);
    }
    const began = core.clock.now() - 600;

    const replays = [
      replayed(core, { force: true, to: began + 400 }),
      replayed(core, { force: true, from: began + 200 }),
      replayed(core, { sheet: "current", force: true }),
    ];
    for (let i = 60; i < 80; i++)
      await core.emit({ id: `${i}`, subject: `s${i % 7}`, sequence: i, data: { new_rate: i } });
    await core.run();
    await Promise.all(replays);
    await core.rest();

    for (let i = 73; i < 80; i++) expect(target.state.get(`s${i % 7}`)).toEqual({ dailyRate: i });
    for (let entity = 0; entity < 7; entity++) {
      const sent = target.calls
        .filter(({ entity: of }) => of === `s${entity}`)
        .map(({ fields }) => fields.dailyRate as number);
      expect(sent).toEqual([...sent].sort((a, b) => a - b));
    }
    expect(await invariantViolations(core, 80)).toEqual([]);
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
