import { describe, expect, it } from "vitest";
import { previewReplay, replayPacket } from "../../../bridge/jobs/replay.ts";
import { verifyLedger } from "../../../bridge/ledger/verify.ts";
import { purgeExpired } from "../../../bridge/maintenance/retention.ts";
import { runMaintenance } from "../../../bridge/maintenance/run-maintenance.ts";
import { refused } from "../../../bridge/model/outcome.ts";
import type { StorePort } from "../../../bridge/ports/store.ts";
import { aCore, type Core, fakeTarget, invariantViolations } from "../../support/core.ts";

const dayMs = 86_400_000;
const days = (count: number) => ({ times: { retentionMs: count * dayMs } });

/** Looks forward, and has what happens by the clock happen. */
async function later(core: Core, ms: number): Promise<void> {
  await core.clock.advance(ms);
  await runMaintenance(core.engine);
}

/** Everything the store holds, but for the ledger. */
function rows({ engine }: Core): string {
  return ["packets", "packet_bodies", "events", "documents", "messages"]
    .map((table) => JSON.stringify(engine.db.sql(`SELECT * FROM ${table}`).all()))
    .join();
}

describe("payload retention", () => {
  it("erases payloads older than the retention time and keeps names and ledger", async () => {
    await using core = await aCore(days(30));
    await core.emit({ id: "1", subject: "boston", data: { new_rate: 68, old_rate: 62, city: "Boston-planted" } });
    await core.run();
    const before = await core.only();

    await later(core, 29 * dayMs);
    expect(rows(core)).toContain("Boston-planted");
    await later(core, 2 * dayMs);

    const { packet, progress } = await core.only();
    expect(rows(core)).not.toContain("Boston-planted");
    expect(packet).toEqual({ ...before.packet, fields: {} });
    expect(progress).toMatchObject({ status: "SENT", erasedAt: core.clock.now() });
    expect(await core.steps(packet.id)).toEqual(["QUEUED", "SENT", "ERASED"]);
    expect(await core.steps(packet.event)).toEqual(["EXPANDED", "ERASED"]);
    const [event] = await core.engine.store.read("event", [packet.event]);
    expect(event?.value).toMatchObject({ status: "EXPANDED", erased: { type: "policy.per_diem.updated" } });
    expect(await verifyLedger(core.engine)).not.toHaveProperty("fault");
    expect(await invariantViolations(core, 1)).toEqual([]);
  });

  it("keeps the payload of an open packet and erases it with the target's response soon after it closes", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], ...days(30) });
    target.behave = () => refused("answered 422", { status: 422, answer: "no such city: Boston-planted" });
    await core.emit({ id: "1", subject: "boston", data: { new_rate: 68, city: "Boston-planted" } });
    await core.run();

    await later(core, 40 * dayMs);
    const held = await core.only();
    expect(held.packet.fields).toMatchObject({ city: "Boston-planted" });
    target.behave = (packet) => target.take(packet);
    await replayPacket(core.engine, { id: held.packet.id }, { actor: "jo", reason: "known now" });
    await core.run();
    expect((await core.only()).progress.status).toBe("SENT");

    await later(core, 3_600_000);

    expect(rows(core)).not.toContain("Boston-planted");
    expect(await verifyLedger(core.engine)).not.toHaveProperty("fault");
  });

  it("erases malformed events too, in as many rounds as needed", async () => {
    await using core = await aCore(days(1));
    await core.emit(`{"planted": "in no event"`);
    const many = Array.from({ length: 2_150 }, (_, i) => ({
      id: `${i}`,
      subject: `s${i}`,
      data: { city: `planted ${i}` },
    }));
    await core.emit(...many);
    await core.run();

    await later(core, 2 * dayMs);
    expect(rows(core)).toContain("planted");
    await runMaintenance(core.engine);

    expect(rows(core)).not.toContain("planted");
    expect(core.lines.filter(({ step }) => step === "erased")).toEqual([
      { step: "erased", packets: 2_000, events: 2_000 },
      { step: "erased", packets: 150, events: 151 },
    ]);
  });

  it("skips a record that changes during the run, and erases and counts it in the next run", async () => {
    await using core = await aCore(days(1));
    await core.emit(
      { id: "1", subject: "a", data: { new_rate: 68 } },
      { id: "2", subject: "b", data: { new_rate: 69 } },
    );
    await core.run();
    const { engine } = core;
    const [first] = await core.packets();
    let hasMoved = false;
    const { store } = engine;
    const meddled: Pick<StorePort, "read" | "packets" | "events" | "write"> = {
      read: (kind, ids) => store.read(kind, ids),
      packets: (query) => store.packets(query),
      events: (query) => store.events(query),
      async write(puts, entries) {
        if (!hasMoved && puts[0]?.kind === "packet") {
          hasMoved = true;
          const [stored] = await store.read("packet", [first?.packet.id as string]);
          const { value, etag } = stored as NonNullable<typeof stored>;
          await store.write([{ kind: "packet", id: value.packet.id, value, etag }]);
        }
        return store.write(puts, entries);
      },
    };

    await core.clock.advance(2 * dayMs);
    await purgeExpired({ ...engine, store: meddled as StorePort });
    await later(core, dayMs);

    expect(core.lines.filter(({ step }) => step === "erased")).toEqual([
      { step: "erased", packets: 1, events: 2 },
      { step: "erased", packets: 1, events: 0 },
    ]);
  });

  it("excludes erased packets from replays, and still recognizes a repeated event", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], ...days(1) });
    const event = { id: "1", subject: "boston", data: { new_rate: 68 } };
    await core.emit(event);
    await core.run();
    const { packet, recordedAt } = await core.only();

    await later(core, 2 * dayMs);
    const again = await replayPacket(core.engine, { id: packet.id, force: true }, { actor: "jo", reason: "to see" });
    const current = await replayPacket(
      core.engine,
      { id: packet.id, sheet: "current" },
      { actor: "jo", reason: "to see" },
    );
    const { looked, sent } = await previewReplay(core.engine, { from: recordedAt, to: core.clock.now() });
    await core.emit(event);
    await core.run();

    expect([again, current]).toMatchObject([
      { kind: "refused", why: expect.stringContaining("erased") },
      { kind: "refused", why: expect.stringContaining("erased") },
    ]);
    expect({ looked, sent }).toEqual({ looked: 1, sent: 0 });
    expect(target.calls).toHaveLength(1);
    expect(await core.steps(packet.event)).toEqual(["EXPANDED", "ERASED", "DUPLICATE"]);
  });

  it("restoring or blanking a payload is detected by the ledger", async () => {
    await using core = await aCore(days(1));
    await core.emit(
      { id: "1", subject: "a", data: { new_rate: 68 } },
      { id: "2", subject: "b", data: { new_rate: 69 } },
    );
    await core.run();
    const [first] = await core.packets();
    const { engine } = core;
    const blank = async (fields: object) => {
      const [stored] = await engine.store.read("packet", [first?.packet.id as string]);
      const { value, etag } = stored as NonNullable<typeof stored>;
      const changed = { ...value, packet: { ...value.packet, fields: fields as never } };
      await engine.store.write([{ kind: "packet", id: value.packet.id, value: changed, etag, erases: value }]);
    };

    await blank({});
    expect((await verifyLedger(engine)).fault?.message).toContain("not those that were recorded");
    await blank(first?.packet.fields as object);
    expect(await verifyLedger(engine)).not.toHaveProperty("fault");
    await later(core, 2 * dayMs);
    await blank({ dailyRate: 99 });
    expect((await verifyLedger(engine)).fault?.message).toContain("they were erased according to the ledger");
  });
});
