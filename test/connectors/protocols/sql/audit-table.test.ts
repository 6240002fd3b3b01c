import { beforeEach, expect, test } from "vitest";
import { connector as inOracle } from "../../../../connectors/oracle-audit.ts";
import { connector as inPostgresql } from "../../../../connectors/postgresql-audit.ts";
import { aPacket, aVersion, noon } from "../../../support/builders.ts";
import { type Cut, contextFor, cuttingProxy, onEachDatabase } from "../../../support/databases.ts";
import { hostile } from "../../../support/hostile-sql.ts";

onEachDatabase("audit table", (database, name) => {
  const connector = name === "Oracle" ? inOracle : inPostgresql;
  let count = 0;
  const anAudit = (overrides = {}) => aPacket({ id: `pkt-${count++}`, order: "strict", ...overrides });
  const context = (place = {}) =>
    contextFor(connector.config.parse({ ...database().place, ...place }), database().login);
  const rows = () => database().ask("SELECT * FROM hms_audit ORDER BY accepted, packet_id");
  let before: number;
  beforeEach(async () => {
    before = (await rows()).length;
  });
  const added = async () => (await rows()).length - before;

  test("stores the whole packet in one row", async () => {
    const packet = anAudit({
      entity: "E-1001",
      fields: { rate: 68.5, note: "Zoë\n'; --" },
      version: aVersion({ sequence: 7, revision: 2 }),
    });

    const outcome = await connector.send(packet, context());

    expect(outcome).toEqual({ kind: "delivered", at: "hms_audit", remoteId: packet.id });
    const row = (await rows()).find(({ packet_id }) => packet_id === packet.id);
    expect(row).toMatchObject({ entity: "E-1001", action: "upsert", source: "hms.policy" });
    expect(typeof row?.fields === "string" ? JSON.parse(row.fields) : row?.fields).toEqual(packet.fields);
    expect([row?.sequence, row?.accepted, row?.revision].map(Number)).toEqual([7, noon * 1_000, 2]);
    expect(new Date(row?.changed_at as string).getTime()).toBe(noon);
  });

  test("stores a repeated packet once", async () => {
    const packet = anAudit();

    const outcomes = [];
    for (let i = 0; i < 3; i++) outcomes.push(await connector.send(packet, context()));
    outcomes.push(...(await Promise.all([1, 2, 3].map(() => connector.send(packet, context())))));

    expect(outcomes.map(({ kind }) => kind)).toEqual(Array(6).fill("delivered"));
    expect(await added()).toBe(1);
  });

  test("refuses one of ten packets and stores the other nine", async () => {
    const packets = Array.from({ length: 10 }, (_, i) => anAudit({ eventType: i === 4 ? "t".repeat(300) : "t" }));

    const outcomes = await connector.sendBatch?.(packets, context());

    expect(outcomes?.map(({ kind }) => kind)).toEqual([
      ...Array(4).fill("delivered"),
      "refused",
      ...Array(5).fill("delivered"),
    ]);
    expect(await added()).toBe(9);
  });

  test("stores a packet of the largest size", async () => {
    const packet = anAudit({ fields: { note: "é".repeat(120_000) } });

    expect(await connector.send(packet, context())).toMatchObject({ kind: "delivered" });
    const row = (await rows()).find(({ packet_id }) => packet_id === packet.id);
    expect(JSON.stringify(row?.fields).length).toBeGreaterThan(120_000);
  });

  test("rejects every update and deletion even by its owner", async () => {
    await connector.send(anAudit(), context());

    await expect(database().ask("UPDATE hms_audit SET entity = 'x'")).rejects.toThrow("never changed");
    await expect(database().ask("DELETE FROM hms_audit")).rejects.toThrow("never changed");
    if (name !== "Oracle") await expect(database().ask("TRUNCATE hms_audit")).rejects.toThrow("never changed");
  });

  test.each(hostile)("stores hostile text as text: %j", async (evil) => {
    const packet = anAudit({ entity: evil, eventType: evil.slice(0, 250), fields: { [evil]: evil } });

    const outcome = await connector.send(packet, context());

    // PostgreSQL text cannot hold NUL, so the packet is refused.
    expect(outcome.kind).toBe(evil.includes("\0") ? "refused" : "delivered");
    expect(await added()).toBe(evil.includes("\0") ? 0 : 1);
    expect(await database().ask("SELECT id FROM employee")).toEqual([]);
  });

  test("probes the table and writes nothing", async () => {
    expect(await connector.probe(context())).toBe(true);
    expect(await connector.probe(context({ table: "no_such_table" }))).toBe(false);
    expect(await connector.probe(context({ port: 1 }))).toBe(false);
    expect(await added()).toBe(0);
  });

  test.skipIf(name === "Oracle").each<[string, Cut]>([
    ["before the commit reaches the database", "before"],
    ["after the commit reaches the database", "after"],
    ["after the database has answered", "answered"],
  ])("stores one row if the connection is cut %s", async (_, cut) => {
    await using proxy = await cuttingProxy(database().place.port as number, [cut]);
    const packet = anAudit();

    const first = await connector.send(packet, context({ port: proxy.port }));
    const second = await connector.send(packet, context({ port: proxy.port }));

    expect(first).toMatchObject({ kind: "retry", mayHaveLanded: true, code: "no-answer" });
    expect(second).toMatchObject({ kind: "delivered" });
    expect(await added()).toBe(1);
  });
});
