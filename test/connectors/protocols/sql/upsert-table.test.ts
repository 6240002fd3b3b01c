import { beforeEach, describe, expect, test } from "vitest";
import type { Packet } from "../../../../bridge/model/packet.ts";
import { connector as inOracle } from "../../../../connectors/oracle-table.ts";
import { connector as inPostgresql } from "../../../../connectors/postgresql-table.ts";
import { aPacket, aVersion, noon } from "../../../support/builders.ts";
import { type Cut, contextFor, cuttingProxy, onEachDatabase, type TestDatabase } from "../../../support/databases.ts";
import { hostile } from "../../../support/hostile-sql.ts";

const columns = {
  name: { column: "name" },
  "work.hours": { column: "hours", type: "number" },
  start: { column: "start_on", type: "date" },
  active: { column: "active", type: "boolean" },
  seen: { column: "seen_at", type: "timestamp" },
  extra: { column: "extra", type: "json" },
  email: { column: "email" },
};

/** Connector configuration for a database, with upper-case names for Oracle. */
function configOf({ dialect, place }: TestDatabase, more = {}) {
  const config = { ...place, table: "employee", key: "id", columns, ...more };
  if (dialect === "postgresql") return config;
  const upper = Object.entries(columns).map(([field, { column, ...rest }]) => [
    field,
    { ...rest, column: column.toUpperCase() },
  ]);
  return { ...config, table: "EMPLOYEE", key: "ID", columns: Object.fromEntries(upper), ...more };
}

onEachDatabase("upsert table", (database, name) => {
  const connector = name === "Oracle" ? inOracle : inPostgresql;
  let count = 0;
  const aChange = (fields: Packet["fields"], more: Partial<Packet> = {}) =>
    aPacket({ id: `pkt-${count++}`, entity: "1001", fields, ...more });
  const at = (ms: number, more = {}) => aVersion({ time: noon + ms, ...more });
  const context = (place = {}) => {
    return contextFor(connector.config.parse(configOf(database(), place)), database().login);
  };
  const send = (packet: Packet, place = {}) => connector.send(packet, context(place));
  const row = async (id = 1001) =>
    (await database().ask(`SELECT id, name, hours, active, email FROM employee WHERE id = ${id}`))[0];

  beforeEach(async () => {
    for (const table of ["employee", "hms_bridge_inbox", "hms_bridge_versions"]) {
      await database().ask(`DELETE FROM ${table}`);
    }
  });

  describe("row changes", () => {
    test("inserts a missing row with each value in its type", async () => {
      const outcome = await send(
        aChange({
          name: "Zoë",
          "work.hours": 16.5,
          start: "2026-12-01",
          active: true,
          seen: "2026-12-01T01:30:00+02:00",
          extra: { a: [1, null, "x"] },
        }),
      );

      expect(outcome).toEqual({ kind: "delivered", at: name === "Oracle" ? "EMPLOYEE" : "employee" });
      expect(await row()).toMatchObject({ name: "Zoë", email: null });
      expect(Number((await row())?.hours)).toBe(16.5);
      const text = name === "Oracle" ? "TO_CHAR(start_on, 'YYYY-MM-DD')" : "start_on::text";
      const utc = name === "Oracle" ? "SYS_EXTRACT_UTC(seen_at)" : "(seen_at AT TIME ZONE 'UTC')::text";
      const [kept] = await database().ask(`SELECT ${text} AS day, ${utc} AS seen, extra FROM employee`);
      expect(kept?.day).toBe("2026-12-01");
      expect(String(kept?.seen)).toContain(name === "Oracle" ? "23:30:00" : "2026-11-30 23:30:00");
      expect(typeof kept?.extra === "string" ? JSON.parse(kept.extra) : kept?.extra).toEqual({ a: [1, null, "x"] });
    });

    test("updates only the columns of its fields even if another column must not be empty", async () => {
      await database().ask("INSERT INTO employee (id, name, email) VALUES (1001, 'Ann', 'ann@agency.example')");
      const column = name === "Oracle" ? "MODIFY name" : "ALTER COLUMN name SET";
      await database().ask(`ALTER TABLE employee ${column} DEFAULT NULL`);

      await send(aChange({ "work.hours": 8 }));
      await database().ask(`ALTER TABLE employee ${column} DEFAULT 'nobody'`);

      expect(await row()).toMatchObject({ name: "Ann", email: "ann@agency.example" });
      expect(Number((await row())?.hours)).toBe(8);
    });

    test("clears a column for null", async () => {
      await send(aChange({ email: "ann@agency.example", active: true }));
      await send(aChange({ email: null, active: null }, { version: at(1) }));

      expect(await row()).toMatchObject({ email: null, active: null });
    });

    test("deletes a row", async () => {
      await send(aChange({ name: "Ann" }));

      expect(await send(aChange({}, { action: "delete", version: at(1) }))).toMatchObject({ kind: "delivered" });

      expect(await row()).toBeUndefined();
    });

    test("writes a hundred concurrent packets", async () => {
      const packets = Array.from({ length: 100 }, (_, i) => aChange({ "work.hours": i % 50 }, { entity: String(i) }));
      const batches = Array.from({ length: 10 }, (_, i) => packets.slice(i * 10, i * 10 + 10));

      const outcomes = await Promise.all(batches.map((batch) => connector.sendBatch?.(batch, context())));

      expect(new Set(outcomes.flat().map((outcome) => outcome?.kind))).toEqual(new Set(["delivered"]));
      const [found] = await database().ask("SELECT count(*) AS n FROM employee");
      expect(Number(found?.n)).toBe(100);
    });
  });

  describe("repeated packets", () => {
    test("a repeated packet has no effect even if another client has changed the row", async () => {
      const packet = aChange({ name: "Ann" });
      await send(packet);
      await database().ask("UPDATE employee SET name = 'Bob' WHERE id = 1001");

      expect(await send(packet)).toMatchObject({ kind: "delivered" });

      expect(await row()).toMatchObject({ name: "Bob" });
    });

    test.skipIf(name === "Oracle").each<[string, Cut]>([
      ["before the commit reaches the database", "before"],
      ["after the commit reaches the database", "after"],
      ["after the database has answered", "answered"],
    ])("a packet has one effect if the connection is cut %s", async (_, cut) => {
      await using proxy = await cuttingProxy(database().place.port as number, [cut]);
      const packet = aChange({ name: "Ann" });

      expect(await send(packet, { port: proxy.port })).toMatchObject({ kind: "retry", mayHaveLanded: true });
      expect(await send(packet, { port: proxy.port })).toMatchObject({ kind: "delivered" });

      expect(await row()).toMatchObject({ name: "Ann" });
      expect(await database().ask("SELECT packet_id FROM hms_bridge_inbox")).toHaveLength(1);
    });
  });

  describe("late packets", () => {
    test("a late packet changes only the fields for which its version is newer", async () => {
      await send(aChange({ name: "new" }, { version: at(10) }));

      const outcome = await send(aChange({ name: "old", "work.hours": 8 }, { version: at(5) }));

      expect(outcome).toMatchObject({ kind: "delivered" });
      expect(await row()).toMatchObject({ name: "new" });
      expect(Number((await row())?.hours)).toBe(8);
    });

    test("sequences within one source decide regardless of times", async () => {
      await send(aChange({ name: "second" }, { version: at(0, { sequence: 2 }) }));
      await send(aChange({ name: "first" }, { version: at(99, { sequence: 1 }) }));

      expect(await row()).toMatchObject({ name: "second" });
    });

    test("a late packet does not restore a deleted row", async () => {
      await send(aChange({ name: "Ann" }));
      await send(aChange({}, { action: "delete", version: at(10) }));

      await send(aChange({ name: "late" }, { version: at(5) }));
      expect(await row()).toBeUndefined();

      await send(aChange({ name: "again" }, { version: at(11) }));
      expect(await row()).toMatchObject({ name: "again" });
    });

    test("a late deletion does not remove a newer row", async () => {
      await send(aChange({ name: "Ann" }, { version: at(10) }));
      await send(aChange({}, { action: "delete", version: at(5) }));

      expect(await row()).toMatchObject({ name: "Ann" });
    });

    test("a late full packet writes only the fields that are not newer in the row", async () => {
      await send(aChange({ name: "new" }, { version: at(10) }));
      await send(aChange({ name: "old", email: "old@agency.example" }, { send: "full", version: at(5) }));

      expect(await row()).toMatchObject({ name: "new", email: "old@agency.example" });
    });

    test("the newest version wins between concurrent packets", async () => {
      const older = Array.from({ length: 5 }, (_, i) => aChange({ name: `v${i}` }, { version: at(i) }));
      const newest = aChange({ name: "newest" }, { version: at(9) });

      const outcomes = await Promise.all([...older, newest].map((packet) => send(packet)));

      expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(["delivered"]));
      expect(await row()).toMatchObject({ name: "newest" });
    });
  });

  describe("refused packets", () => {
    test.each<[string, Packet["fields"], RegExp]>([
      ["a text that is too long", { active: true, name: "x".repeat(11) }, /too long: name \((22001|ORA-12899)\)/i],
      ["a number out of range", { active: true, "work.hours": -12_345.6 }, /range: hours \((22003|ORA-01438)\)/i],
      ["null for a required column", { name: null }, /empty: name \((23502|ORA-0140\d)\)/i],
      ["a value that fails a check", { "work.hours": 100 }, /check.*hours_sane/i],
      ["a field without a column", { nope: 1 }, /the field nope has no column/],
      ["a field named like an object member", { constructor_: 1, toString: 1 }, /has no column/],
      ["text for a number", { "work.hours": "16" }, /work.hours, for hours, must be a number/i],
      ["a list for text", { name: ["x"] }, /name, for name, must be text/i],
      ["an invalid day", { start: "2026-02-30" }, /start, for start_on, must be a date/i],
      ["a time without its offset", { seen: "2026-12-01T00:00:00" }, /must be an RFC 3339 time with an offset/],
      ["a number for true or false", { active: 1 }, /active, for active, must be true or false/i],
    ])("names the column and refuses %s", async (_, fields, reason) => {
      const outcome = await send(aChange(fields));

      expect(outcome).toMatchObject({ kind: "refused", reason: expect.stringMatching(reason) });
      expect(await row()).toBeUndefined();
      expect(await database().ask("SELECT packet_id FROM hms_bridge_inbox")).toEqual([]);
    });

    test("names the column and refuses a key of the wrong type", async () => {
      expect(await send(aChange({ name: "x" }, { entity: "E-1" }))).toMatchObject({
        kind: "refused",
        reason: expect.stringMatching(/: id \(/i),
      });
    });

    test("refuses a duplicate of a unique value and leaves the row unchanged", async () => {
      await send(aChange({ email: "ann@agency.example" }, { entity: "1" }));
      await send(aChange({ name: "Bob" }));

      const outcome = await send(aChange({ email: "ann@agency.example", name: "Bobby" }, { version: at(1) }));

      expect(outcome).toMatchObject({ kind: "refused", reason: expect.stringContaining("another row") });
      expect(outcome).not.toMatchObject({ reason: expect.stringContaining("ann@") });
      expect(await row()).toMatchObject({ name: "Bob", email: null });
    });

    test.each<[string, Packet["fields"]]>([
      ["a packet with a long name", { name: "x".repeat(11) }],
      ["a packet that breaks a deferred constraint", { email: "taken@agency.example" }],
    ])("refuses %s and delivers the other nine of its batch", async (_, bad) => {
      await database().ask("INSERT INTO employee (id, email) VALUES (1001, 'taken@agency.example')");
      const packets = Array.from({ length: 10 }, (_, i) =>
        aChange(i === 4 ? bad : { name: `n${i}` }, { entity: String(i) }),
      );

      const outcomes = await connector.sendBatch?.(packets, context());

      expect(outcomes?.map(({ kind }) => kind).join(" ")).toBe(
        "delivered delivered delivered delivered refused delivered delivered delivered delivered delivered",
      );
      expect(await database().ask("SELECT id FROM employee WHERE id < 10")).toHaveLength(9);
      expect(await database().ask("SELECT packet_id FROM hms_bridge_inbox")).toHaveLength(9);
    });
  });

  test.each(hostile)("hostile text has no effect as entity, value or field: %j", { tags: "row-28" }, async (evil) => {
    const kept = await send(aChange({ email: evil }));
    const asKey = await send(aChange({ name: "x" }, { entity: evil }));
    const asField = await send(aChange({ [evil]: 1 }));

    expect(kept.kind).toBe(evil.includes("\0") ? "refused" : "delivered");
    if (kept.kind === "delivered") expect(await row()).toMatchObject({ email: evil });
    expect([asKey.kind, asField.kind]).toEqual(["refused", "refused"]);
    const ids = (await database().ask("SELECT id FROM employee")).map(({ id }) => Number(id));
    expect(ids).toEqual(kept.kind === "delivered" ? [1001] : []);
  });

  test("probes the table and its columns and writes nothing", async () => {
    const probe = (more: object) => connector.probe(context(more));

    expect(await probe({})).toBe(true);
    expect(await probe({ table: "no_such_table" })).toBe(false);
    expect(await probe({ key: "no_such_column" })).toBe(false);
    expect(await probe({ columns: { x: { column: "no_such_column" } } })).toBe(false);
    expect(await probe({ schema: "no_such_schema" })).toBe(false);
    expect(await database().ask("SELECT id FROM employee")).toEqual([]);
  });

  test("asks for a retry if a table or column is missing", async () => {
    const sendWith = (more: object) => send(aChange({ name: "x" }), more);

    expect(await sendWith({ table: "nope" })).toMatchObject({ kind: "retry", code: "setup", mayHaveLanded: false });
    expect(await sendWith({ columns: { name: { column: "nope" } } })).toMatchObject({ kind: "retry", code: "setup" });
  });
});

describe.each([inPostgresql, inOracle])("$name configuration", (connector) => {
  const good = {
    ...{ host: "db.agency.example", database: "hr" },
    ...{ table: "employee", key: "id", columns: { name: { column: "name" } } },
  };

  test("accepts valid settings", () => {
    expect(connector.config.safeParse(good).success).toBe(true);
    expect(connector.config.safeParse({ ...good, host: "127.0.0.1", tls: false }).success).toBe(true);
    expect(connector.config.safeParse({ ...good, tls: false, inTheClear: true }).success).toBe(true);
  });

  test.each<[string, object]>([
    ["a stray key", { stray: 1 }],
    ["no TLS over a network", { tls: false }],
    ["a host with a path and query", { host: "db.agency.example/x?wallet_location=/tmp" }],
    ["a host that is a connect descriptor", { host: "(DESCRIPTION=(ADDRESS=(HOST=evil.example)))" }],
    ["a database with a query", { database: "hr?wallet_location=/tmp" }],
    ["an empty list of columns", { columns: {} }],
    ["one column for two fields", { columns: { a: { column: "x" }, b: { column: "x" } } }],
    ["the key as a column", { columns: { a: { column: "id" } } }],
    ["an unknown type", { columns: { a: { column: "x", type: "bytea" } } }],
  ])("rejects %s", (_, more) => {
    expect(connector.config.safeParse({ ...good, ...more }).success).toBe(false);
  });

  test.each(hostile.filter((text) => !/^[A-Za-z_]\w*$/.test(text)))(
    "rejects the hostile name %j",
    { tags: "row-28" },
    (evil) => {
      for (const more of [{ table: evil }, { key: evil }, { schema: evil }, { columns: { a: { column: evil } } }]) {
        expect(connector.config.safeParse({ ...good, ...more }).success).toBe(false);
      }
    },
  );
});
