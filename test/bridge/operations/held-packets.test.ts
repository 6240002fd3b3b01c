import { describe, expect, it } from "vitest";
import type { Engine } from "../../../bridge/engine.ts";
import { startJob } from "../../../bridge/jobs/job-runner.ts";
import { replayPacket } from "../../../bridge/jobs/replay.ts";
import { verifyLedger } from "../../../bridge/ledger/verify.ts";
import { refused, retry } from "../../../bridge/model/outcome.ts";
import type { PacketRecord } from "../../../bridge/model/packet-record.ts";
import { discard } from "../../../bridge/operations/discard.ts";
import { edit, previewEdit } from "../../../bridge/operations/edit.ts";
import { type Actor, maxReason } from "../../../bridge/operations/operator.ts";
import type { OperationResult } from "../../../bridge/operations/packet-operation.ts";
import { release } from "../../../bridge/operations/release.ts";
import type { JsonObject } from "../../../bridge/values/json.ts";
import {
  aCore,
  type Core,
  type CoreOptions,
  type FakeTarget,
  fakeTarget,
  invariantViolations,
} from "../../support/core.ts";
import { crashAfter } from "../../support/crash-after.ts";

const jo: Actor = { actor: "jo", reason: "payroll asked for it" };
const kim: Actor = { actor: "kim", reason: "a typo" };

describe("an edit of a held packet", () => {
  it("sends the new fields instead, with the version of the original change", async () => {
    await using held = await aHeldPacket();
    const { core, target, packet, etag } = held;
    target.behave = (sent) => target.take(sent);

    const acted = await edit(core.engine, { id: packet.id, etag, fields: { dailyRate: 70 } }, jo);
    await core.rest();

    const child = await childOf(core, packet.id);
    expect(acted).toMatchObject({ kind: "done", packet: { value: { packet: { id: child.packet.id } } } });
    expect(child.packet).toMatchObject({
      replaces: packet.id,
      edited: true,
      version: { ...packet.version, revision: 1 },
    });
    expect(child.progress.status).toBe("SENT");
    expect(target.state.get("a")).toEqual({ dailyRate: 70 });
    expect((await recordOf(core, packet.id)).progress).toMatchObject({
      status: "SUPERSEDED",
      replacedBy: child.packet.id,
    });
    expect((await verifyLedger(core.engine)).fault).toBeUndefined();
    expect(await invariantViolations(core, 1)).toEqual([]);
  });

  it("records operator, reason and changed fields in both chains, with hashes instead of values", async () => {
    await using held = await aHeldPacket({ data: { new_rate: 68, note: "Secretariat" } });
    const { core, packet, etag } = held;

    await edit(core.engine, { id: packet.id, etag, fields: { dailyRate: 70_707, city: "Timbuktu" } }, jo);

    const child = await childOf(core, packet.id);
    const [birth] = await core.engine.store.chain(child.packet.id);
    const end = (await core.engine.store.chain(packet.id)).at(-1);
    const said = { act: "edit", actor: "jo", why: jo.reason };
    expect(birth).toMatchObject({
      step: "QUEUED",
      facts: { ...said, replaces: packet.id, fields: ["dailyRate", "city"] },
    });
    expect(end).toMatchObject({ step: "SUPERSEDED", facts: said });
    const changes = birth?.facts.changes as { field: string; before?: string; after?: string }[];
    expect(changes.map((change) => Object.keys(change))).toEqual([
      ["after", "field"],
      ["after", "before", "field"],
      ["before", "field"],
    ]);
    expect(changes.map(({ field }) => field)).toEqual(["city", "dailyRate", "note"]);
    const told = JSON.stringify([await core.entries(), core.lines]);
    for (const value of ["70707", "Timbuktu", "Secretariat"]) expect(told).not.toContain(value);
  });

  it("applies one of the edits by two operators, reports the conflict to the other, and passes governance again", {
    tags: "row-32",
  }, async () => {
    await using held = await aHeldPacket();
    const { core, target, packet, etag } = held;
    target.behave = (sent) => target.take(sent);

    const both = await Promise.all([
      edit(core.engine, { id: packet.id, etag, fields: { dailyRate: 70 } }, jo),
      edit(core.engine, { id: packet.id, etag, fields: { dailyRate: 71 } }, kim),
    ]);
    const late = await edit(core.engine, { id: packet.id, etag, fields: { dailyRate: 72 } }, kim);
    await core.rest();

    const won = both.find(({ kind }) => kind === "done");
    const told = both.find(({ kind }) => kind === "moved");
    const child = await childOf(core, packet.id);
    expect(won).toMatchObject({ packet: { value: { packet: { id: child.packet.id } } } });
    expect(told).toMatchObject({ now: { value: { progress: { status: "SUPERSEDED", replacedBy: child.packet.id } } } });
    expect(late.kind).toBe("moved");
    expect(await core.packets()).toHaveLength(2);
    expect(target.state.get("a")).toEqual({ dailyRate: both[0].kind === "done" ? 70 : 71 });
  });

  it("holds the new packet if the current policy blocks it, and allows another edit", async () => {
    await using held = await aHeldPacket();
    const { core, target, packet, etag } = held;
    target.behave = (sent) => target.take(sent);

    const fields = { dailyRate: 68, note: "write to alice@agency.example" };
    await edit(core.engine, { id: packet.id, etag, fields }, jo);
    await core.rest();
    const blocked = await childOf(core, packet.id);
    const again = await edit(core.engine, { id: blocked.packet.id, etag: 1, fields: { dailyRate: 68 } }, jo);
    await core.rest();

    expect(blocked.progress).toMatchObject({ status: "HELD", reason: "governance blocks note (otherwise)" });
    expect(again.kind).toBe("done");
    expect(target.calls.slice(1).map((call) => call.fields)).toEqual([{ dailyRate: 68 }]);
    expect(JSON.stringify([await core.entries(), core.lines])).not.toContain("alice");
  });

  it("masks fields as the current policy requires", async () => {
    await using held = await aHeldPacket();
    const { core, target, packet, etag } = held;
    target.behave = (sent) => target.take(sent);
    await core.use({ per_diem: sheet }, "otherwise: mask");

    await edit(core.engine, { id: packet.id, etag, fields: { note: "alice@agency.example" } }, jo);
    await core.rest();

    expect(target.state.get("a")?.note).not.toContain("alice");
  });

  it("previews the changed values and the governance decisions without writing anything", async () => {
    await using held = await aHeldPacket();
    const { core, packet, etag } = held;
    const before = (await core.entries()).length;

    const trial = await previewEdit(core.engine, {
      id: packet.id,
      etag,
      fields: { dailyRate: 70, note: "123-45-6789" },
    });

    expect(trial).toMatchObject({
      kind: "trial",
      changes: [
        { field: "dailyRate", before: 68, after: 70 },
        { field: "note", after: "123-45-6789" },
      ],
      held: "governance blocks note (otherwise)",
    });
    expect(await core.entries()).toHaveLength(before);
  });

  it.each<[string, JsonObject, RegExp]>([
    ["an unknown field", { dailyRate: 1, "123-45-6789": 2 }, /Unknown field\. This target accepts: city, /],
    ["no change", { dailyRate: 68 }, /no field was changed/],
    ["no field left", {}, /no fields are left; discard the packet/],
    ["a value that is not JSON", { dailyRate: Number.NaN }, /not a finite number/],
    ["a value that is too large", { dailyRate: 1, note: "x".repeat(300_000) }, /the limit is 262144/],
  ])("refuses %s without writing anything", async (_, fields, why) => {
    await using held = await aHeldPacket();
    const { core, packet, etag } = held;
    const before = (await core.entries()).length;

    const acted = await edit(core.engine, { id: packet.id, etag, fields }, jo);

    expect(acted).toMatchObject({ kind: "refused", why: expect.stringMatching(why) });
    expect(JSON.stringify(acted)).not.toContain("123-45-6789");
    expect(await core.entries()).toHaveLength(before);
  });

  it("refuses a packet that is sent, waiting or unknown", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "1", subject: "a", data: { new_rate: 68 } });
    await core.run();
    const { packet } = await core.only();

    expect(await edit(core.engine, { id: packet.id, etag: 99, fields: {} }, jo)).toMatchObject({ kind: "moved" });
    expect(
      await edit(core.engine, { id: packet.id, etag: await etagOf(core, packet.id), fields: {} }, jo),
    ).toMatchObject({
      kind: "refused",
      why: expect.stringMatching(/is SENT; this action requires a packet that is HELD/),
    });
    expect(await edit(core.engine, { id: "pkt-nothere", etag: 1, fields: {} }, jo)).toEqual({ kind: "missing" });
  });

  it("uses the next free revision if replays have taken some", async () => {
    await using held = await aHeldPacket();
    const { core, target, packet, etag } = held;
    const first = await edit(core.engine, { id: packet.id, etag, fields: { dailyRate: 70 } }, jo);
    await core.run();
    target.behave = (sent) => target.take(sent);
    const second = childIn(first);

    await edit(core.engine, { id: second.id, etag: await etagOf(core, second.id), fields: { dailyRate: 71 } }, jo);
    await core.rest();

    const all = await core.packets();
    expect(all.map(({ packet: { version } }) => version.revision)).toEqual([0, 1, 2]);
    expect(target.state.get("a")).toEqual({ dailyRate: 71 });
  });

  it("leaves the edit complete or absent after a crash before any write, and sends it when repeated", async () => {
    for (let writes = 0, over = false; !over; writes++) {
      await using held = await aHeldPacket();
      const { core, target, packet, etag } = held;
      target.behave = (sent) => target.take(sent);

      const dying = crashAfter(core.engine, writes);
      over = await edit(dying, { id: packet.id, etag, fields: { dailyRate: 70 } }, jo).then(
        () => true,
        () => false,
      );
      await core.rest();

      const all = await core.packets();
      const parent = await recordOf(core, packet.id);
      expect(parent.progress.status, `after ${writes} writes`).toBe(all.length === 1 ? "HELD" : "SUPERSEDED");
      if (all.length === 2) expect(target.state.get("a")).toEqual({ dailyRate: 70 });
      expect(await invariantViolations(core, 1)).toEqual([]);
      if (over) expect(writes).toBeGreaterThanOrEqual(3);
    }
  });

  it("a later replay sends the edited packet, not the original, with any sheet", async () => {
    await using held = await aHeldPacket();
    const { core, target, packet, etag } = held;
    target.behave = (sent) => target.take(sent);
    await edit(core.engine, { id: packet.id, etag, fields: { dailyRate: 70 } }, jo);
    await core.rest();
    target.state.clear();

    await replayAll(core, { sheet: "current", force: true });
    await core.rest();

    expect(target.state.get("a")).toEqual({ dailyRate: 70 });
    expect(await core.packets()).toHaveLength(3);
  });
});

describe("a replaced packet", () => {
  it("stays out of every replay even if its replacement is outside the time window", async () => {
    await using held = await aHeldPacket();
    const { core, target, packet, etag } = held;
    target.behave = (sent) => target.take(sent);
    await core.clock.advance(1_000);
    const to = core.clock.now();
    await edit(core.engine, { id: packet.id, etag, fields: { dailyRate: 70 } }, jo);
    await core.rest();

    await replayAll(core, { force: true, to });
    const one = await replayPacket(core.engine, { id: packet.id }, jo);
    await core.rest();

    expect(one).toMatchObject({ kind: "refused", why: expect.stringMatching(/replaced it; replay that packet/) });
    expect(target.calls.slice(1).map(({ fields }) => fields.dailyRate)).toEqual([70]);
  });
});

describe("operations in a strict lane", () => {
  it("an edited head is sent before the packets behind it", async () => {
    await using lane = await aHeldLane();
    const { core, target, head } = lane;
    target.behave = (sent) => target.take(sent);

    await edit(core.engine, { id: head.id, etag: await etagOf(core, head.id), fields: { dailyRate: 10 } }, jo);
    await core.rest();

    expect(target.calls.slice(1).map(({ fields }) => fields.dailyRate)).toEqual([10, 2, 3]);
  });

  it("a discarded head that may have been applied no longer blocks its lane", async () => {
    await using lane = await aHeldLane({ idempotent: false }, () => retry("no answer", { mayHaveLanded: true }));
    const { core, target, head } = lane;
    target.behave = (sent) => target.take(sent);

    const acted = await discard(core.engine, head.id, jo);
    await core.run();

    expect(acted.kind).toBe("done");
    expect(target.calls.slice(1).map(({ fields }) => fields.dailyRate)).toEqual([2, 3]);
    expect((await recordOf(core, head.id)).progress.status).toBe("DISCARDED");
  });

  it("a released head is sent before the packets behind it", async () => {
    await using lane = await aHeldLane();
    const { core, target, head } = lane;
    target.behave = (sent) => target.take(sent);

    await release(core.engine, { id: head.id }, jo);
    await core.run();

    expect(target.calls.slice(1).map(({ fields }) => fields.dailyRate)).toEqual([1, 2, 3]);
  });

  it("a crash in any operation leaves no lane blocked", async () => {
    for (let writes = 0; writes < 4; writes++) {
      for (const act of ["discard", "edit", "release"] as const) {
        await using lane = await aHeldLane();
        const { core, target, head } = lane;
        target.behave = (sent) => target.take(sent);
        const dying = crashAfter(core.engine, writes);
        const etag = await etagOf(core, head.id);

        await doing(act, dying, head.id, etag).catch(() => {});
        await doing(act, core.engine, head.id, etag);
        await core.rest();

        const statuses = (await core.packets()).map(({ progress }) => progress.status);
        expect(statuses, `${act} after ${writes} writes`).not.toContain("QUEUED");
        expect(target.calls.map(({ fields }) => fields.dailyRate).slice(-2)).toEqual([2, 3]);
      }
    }
  });
});

describe("discarding a packet", () => {
  it("closes a held packet permanently, so no replay sends it", async () => {
    await using held = await aHeldPacket();
    const { core, target, packet } = held;
    target.behave = (sent) => target.take(sent);

    await discard(core.engine, packet.id, { actor: "jo", reason: "wrong record: 123-45-6789" });
    await replayAll(core, { force: true });
    await core.rest();

    const { progress } = await recordOf(core, packet.id);
    expect(progress.status).toBe("DISCARDED");
    expect(progress.reason).toMatch(/^discarded by jo: wrong record: /);
    expect((await core.engine.store.chain(packet.id)).at(-1)?.facts).toMatchObject({ act: "discard", actor: "jo" });
    expect(target.calls).toHaveLength(1);
    expect(JSON.stringify([progress, await core.entries(), core.lines])).not.toContain("123-45-6789");
    expect(await invariantViolations(core, 1)).toEqual([]);
  });

  it("closes a packet in the outbox, and its message has no effect when it returns", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.awake = false;
    target.behave = () => retry("answered 503");
    await core.emit({ id: "1", subject: "a", data: { new_rate: 1 } });
    await core.rest(120_000);
    const { packet, progress } = await core.only();
    expect(progress.place).toBe("outbox");

    const acted = await discard(core.engine, packet.id, jo);
    target.awake = true;
    const calls = target.calls.length;
    await core.rest();
    await core.engine.queue.startMove(`outbox:${target.id}`, 100);
    await core.clock.advance(2_000);
    await core.run();

    expect(acted.kind).toBe("done");
    expect(target.calls).toHaveLength(calls);
    expect(await core.depth(`outbox:${target.id}`)).toBe(0);
  });

  it("refuses a packet that is being sent or is closed", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    let sending: OperationResult | undefined;
    target.behave = async (packet) => {
      sending = await discard(core.engine, packet.id, jo);
      return target.take(packet);
    };
    await core.emit({ id: "1", subject: "a", data: { new_rate: 1 } });
    await core.run();
    const { packet, progress } = await core.only();

    expect(sending).toMatchObject({ kind: "refused", why: expect.stringMatching(/being sent/) });
    expect(progress.status).toBe("SENT");
    expect(await discard(core.engine, packet.id, jo)).toMatchObject({ kind: "refused" });
  });

  it.each(["", "  ", "x".repeat(maxReason + 1)])("rejects an invalid reason: %j", async (reason) => {
    await using held = await aHeldPacket();

    await expect(discard(held.core.engine, held.packet.id, { actor: "jo", reason })).rejects.toThrow(/reason/);
  });
});

describe("a release of a held packet", () => {
  it("sends the original packet under its original id", async () => {
    await using held = await aHeldPacket();
    const { core, target, packet } = held;
    target.behave = (sent) => target.take(sent);
    await core.clock.advance(3_600_000);

    await release(core.engine, { id: packet.id }, jo);
    await core.rest();

    const { progress } = await core.only();
    expect(target.calls.map(({ id }) => id)).toEqual([packet.id, packet.id]);
    expect(progress).toMatchObject({ status: "SENT", queuedAt: core.clock.now() });
    expect(progress).not.toHaveProperty("answer");
    expect((await core.engine.store.chain(packet.id)).at(-2)?.facts).toMatchObject({
      act: "release",
      actor: "jo",
      why: jo.reason,
    });
  });

  it("refuses packets that governance still blocks and releases those it no longer blocks", async () => {
    await using core = await aCore({ sheets: { per_diem: sheet } });
    await core.emit({ id: "1", subject: "a", data: { new_rate: 68, note: "alice@agency.example" } });
    await core.run();
    const { packet } = await core.only();

    const blocked = await release(core.engine, { id: packet.id }, jo);
    await core.use({ per_diem: sheet }, "rules: [{ id: notes, field: note, action: allow }]");
    const allowed = await release(core.engine, { id: packet.id }, jo);
    await core.run();

    expect(blocked).toMatchObject({ kind: "refused", why: expect.stringMatching(/governance blocks note/) });
    expect(allowed.kind).toBe("done");
    expect((await core.only()).progress.status).toBe("SENT");
  });

  it("replaces the packet if the current policy masks more", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets: { per_diem: sheet } });
    await core.emit({ id: "1", subject: "a", data: { new_rate: 68, note: "alice@agency.example" } });
    await core.run();
    const { packet } = await core.only();
    await core.use({ per_diem: sheet }, "otherwise: mask");

    await release(core.engine, { id: packet.id }, jo);
    await core.run();

    expect(target.calls).toHaveLength(1);
    expect(JSON.stringify(target.calls)).not.toContain("alice");
    expect((await recordOf(core, packet.id)).progress.status).toBe("SUPERSEDED");
  });

  it("maps the event with the current sheet even if the old sheet could not determine the record", async () => {
    const target = fakeTarget();
    const roster = (key: string) =>
      `source_event: roster\ntargets: { fake: { connector: Fake, for_each: data.people, key: ${key}, map: { a: a } } }`;
    await using core = await aCore({ targets: [target], sheets: { roster: roster("id") } });
    await core.emit({ id: "1", type: "roster", data: { people: [{ badge: "7", a: 1 }] } });
    await core.run();
    const { packet } = await core.only();

    const pinned = await release(core.engine, { id: packet.id }, jo);
    await core.use({ roster: roster("badge") });
    const current = await release(core.engine, { id: packet.id, sheet: "current" }, jo);
    await core.run();

    expect(pinned).toMatchObject({ kind: "refused", why: expect.stringMatching(/fix the sheet/) });
    expect(childIn(current)).toMatchObject({ entity: "7", replaces: packet.id });
    expect(target.state.get("7")).toEqual({ a: 1 });
  });

  it("refuses if the current sheet no longer creates a packet from the event", async () => {
    await using held = await aHeldPacket();
    await held.core.use({});

    expect(await release(held.core.engine, { id: held.packet.id, sheet: "current" }, jo)).toMatchObject({
      kind: "refused",
      why: expect.stringMatching(/no longer create a packet/),
    });
  });

  it("sends the packet once if two releases run at the same time", async () => {
    await using held = await aHeldPacket();
    const { core, target, packet } = held;
    target.behave = (sent) => target.take(sent);

    const both = await Promise.all([
      release(core.engine, { id: packet.id }, jo),
      release(core.engine, { id: packet.id }, kim),
    ]);
    await core.run();

    expect(both.map(({ kind }) => kind).sort()).toEqual(["done", "refused"]);
    expect(target.calls).toHaveLength(2);
  });
});

const sheet = `
source_event: policy.per_diem.updated
targets:
  fake:
    connector: Fake
    map: { new_rate: dailyRate, note: note, city: city }
`;

async function aHeldPacket({
  data = { new_rate: 68 },
  ...options
}: CoreOptions & { data?: Record<string, unknown> } = {}) {
  const target = fakeTarget();
  const core = await aCore({ targets: [target], sheets: { per_diem: sheet }, ...options });
  target.behave = () => refused("answered 422", { answer: "no such rate" });
  await core.emit({ id: "1", subject: "a", data: data as never });
  await core.run();
  const { packet } = await core.only();
  const etag = await etagOf(core, packet.id);
  return { core, target, packet, etag, [Symbol.asyncDispose]: () => core[Symbol.asyncDispose]() };
}

/** Three packets of one strict lane, of which the first is held. */
async function aHeldLane(
  options: Parameters<typeof fakeTarget>[0] = {},
  behave: FakeTarget["behave"] = () => refused("answered 422"),
) {
  const target = fakeTarget({ order: "strict", ...options });
  const core = await aCore({ targets: [target], sheets: { per_diem: sheet } });
  target.behave = behave;
  for (const rate of [1, 2, 3]) {
    await core.emit({ id: `${rate}`, subject: "a", sequence: rate, data: { new_rate: rate } });
    await core.run();
  }
  const head = (await core.packets())[0]?.packet;
  if (!head) throw new Error("there is no head");
  return { core, target, head, [Symbol.asyncDispose]: () => core[Symbol.asyncDispose]() };
}

async function doing(
  act: "discard" | "edit" | "release",
  engine: Engine,
  id: string,
  etag: number,
): Promise<OperationResult> {
  if (act === "discard") return discard(engine, id, jo);
  return act === "edit" ? edit(engine, { id, etag, fields: { dailyRate: 10 } }, jo) : release(engine, { id }, jo);
}

async function replayAll(core: Core, request: { sheet?: "current"; force?: boolean; to?: number }): Promise<void> {
  const all = { from: 0, to: Number.MAX_SAFE_INTEGER };
  await startJob(core.engine, { kind: "replay", actor: "jo", request: { ...all, ...request } });
  await core.clock.advance(1);
  await core.jobs();
}

async function etagOf(core: Core, id: string): Promise<number> {
  return (await core.engine.store.read("packet", [id]))[0]?.etag ?? 0;
}

async function recordOf(core: Core, id: string): Promise<PacketRecord> {
  const [stored] = await core.engine.store.read("packet", [id]);
  if (!stored) throw new Error(`there is no ${id}`);
  return stored.value;
}

async function childOf(core: Core, id: string): Promise<PacketRecord> {
  const child = (await core.packets()).find(({ packet }) => packet.replaces === id);
  if (!child) throw new Error(`nothing replaces ${id}`);
  return child;
}

function childIn(acted: OperationResult) {
  if (acted.kind !== "done") throw new Error(`it came to ${acted.kind}`);
  return acted.packet.value.packet;
}
