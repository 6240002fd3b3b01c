import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { Database } from "../../../platform/local/database.ts";
import { takeLock } from "../../../platform/local/lock.ts";
import { migrateStore } from "../../../platform/local/migrations.ts";
import { schemaVersion } from "../../../platform/local/schema.ts";

const released = join(import.meta.dirname, "..", "..", "fixtures", "stores", "2a54c69", "store");
const now = Date.parse("2026-12-01T10:15:00Z");
const backupName = "bridge.db.schema-1.20261201T101500Z.backup";

/** A copy of a store of release 2a54c69, which has schema 1. */
function oldStore() {
  const path = mkdtempSync(join(tmpdir(), "bridge-test-"));
  cpSync(released, path, { recursive: true });
  chmodSync(path, 0o700);
  return {
    path,
    file: join(path, "bridge.db"),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

function read(file: string, sql: string): unknown[] {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    return db.prepare(sql).all();
  } finally {
    db.close();
  }
}

/** Returns every row of every table of schema 1. */
function contentOf(file: string): unknown {
  const tables = ["messages", "dedup", "packets", "packet_bodies", "events", "documents", "ledger"];
  return tables.map((table) => read(file, `SELECT * FROM ${table} ORDER BY 1, 2`));
}

function versionOf(file: string): unknown {
  return read(file, "PRAGMA user_version")[0];
}

describe("the migration of a store of schema 1", () => {
  it("keeps a complete backup that only its owner can read", async () => {
    using store = oldStore();
    const before = contentOf(store.file);

    const migration = await migrateStore(store.file, { now });

    expect(migration).toEqual({ from: 1, to: schemaVersion, backup: join(store.path, backupName) });
    expect(versionOf(store.file)).toEqual({ user_version: schemaVersion });
    expect(versionOf(join(store.path, backupName))).toEqual({ user_version: 1 });
    expect(contentOf(join(store.path, backupName))).toEqual(before);
    expect(statSync(join(store.path, backupName)).mode & 0o777).toBe(0o600);
  });

  it("has the same tables as a new store", async () => {
    using store = oldStore();
    await migrateStore(store.file, { now });
    const fresh = await Database.open(join(store.path, "fresh.db"));
    await fresh.close();
    const columns =
      "SELECT m.name, c.name AS c, c.type, c.pk FROM sqlite_schema m, pragma_table_info(m.name) c ORDER BY 1, 2";
    const indexes = "SELECT name FROM sqlite_schema WHERE type IN ('index', 'trigger') ORDER BY 1";

    expect(read(store.file, columns)).toEqual(read(join(store.path, "fresh.db"), columns));
    expect(read(store.file, indexes)).toEqual(read(join(store.path, "fresh.db"), indexes));
  });

  it("continues the order of acceptance after everything in the store", async () => {
    using store = oldStore();
    const [accepted] = read(store.file, "SELECT max(accepted) AS last FROM events") as [{ last: number }];
    const inbox = read(store.file, "SELECT seq FROM messages WHERE queue = 'inbox' ORDER BY seq") as { seq: number }[];
    await migrateStore(store.file, { now });

    const stamps = read(store.file, "SELECT stamp FROM messages WHERE queue = 'inbox' ORDER BY seq") as {
      stamp: number;
    }[];
    const [{ last }] = read(store.file, "SELECT last FROM acceptance") as [{ last: number }];
    expect(stamps).toHaveLength(inbox.length);
    expect(stamps.length).toBeGreaterThan(0);
    expect(stamps.map(({ stamp }) => stamp)).toEqual(stamps.map(({ stamp }) => stamp).toSorted((a, b) => a - b));
    expect(Math.min(...stamps.map(({ stamp }) => stamp))).toBeGreaterThan(accepted.last);
    expect(last).toBeGreaterThanOrEqual(Math.max(...stamps.map(({ stamp }) => stamp)));
  });

  it("places the open packets of strict lanes by order of acceptance", async () => {
    using store = oldStore();
    await migrateStore(store.file, { now });

    const rows = read(
      store.file,
      `SELECT strict_order AS place, strict_source AS source, packet FROM packets JOIN packet_bodies USING (seq)
       WHERE strict_lane IS NOT NULL`,
    ) as { place: number; source: string; packet: string }[];
    expect(rows.length).toBeGreaterThan(0);
    for (const { place, source, packet } of rows) {
      expect([place, source]).toEqual([JSON.parse(packet).version.accepted, JSON.parse(packet).version.source]);
    }
  });

  it("happens once, even if two processes begin at the same time", async () => {
    using store = oldStore();

    const done = await Promise.all([1, 2, 3].map(() => migrateStore(store.file, { now })));

    expect(done.filter((migration) => migration !== undefined)).toHaveLength(1);
    expect(readdirSync(store.path).filter((name) => name.endsWith(".backup"))).toEqual([backupName]);
    expect(await migrateStore(store.file, { now })).toBeUndefined();
  });

  it("begins again after a crash in the middle of it", async () => {
    using store = oldStore();
    const before = contentOf(store.file);
    writeFileSync(`${store.file}.backup.part`, "half of a backup");
    const crash = `
      const { DatabaseSync } = require("node:sqlite");
      const db = new DatabaseSync(process.argv[1]);
      db.exec("BEGIN IMMEDIATE; ALTER TABLE messages ADD COLUMN stamp INTEGER; UPDATE packets SET strict_order = 0");
      process.kill(process.pid, "SIGKILL");`;
    expect(spawnSync(process.execPath, ["-e", crash, store.file]).signal).toBe("SIGKILL");
    expect(versionOf(store.file)).toEqual({ user_version: 1 });

    const migration = await migrateStore(store.file, { now });

    expect(versionOf(store.file)).toEqual({ user_version: schemaVersion });
    expect(contentOf(migration?.backup as string)).toEqual(before);
    expect(readdirSync(store.path).filter((name) => name.endsWith(".part"))).toEqual([]);
  });

  it("fails while a bridge of an earlier release works on the store, and leaves the store unchanged", async () => {
    using store = oldStore();
    const lock = takeLock(join(store.path, "runner.lock"));

    await expect(migrateStore(store.file, { now, maxWaitMs: 0 })).rejects.toThrow(
      "a bridge of an earlier release is working on it; stop that bridge",
    );

    lock?.release();
    expect(versionOf(store.file)).toEqual({ user_version: 1 });
    expect(readdirSync(store.path).some((name) => name.includes("backup"))).toBe(false);
  });

  it("leaves the store unchanged if the backup cannot be written, and names the reason and the fix", async () => {
    using store = oldStore();
    const before = contentOf(store.file);
    mkdirSync(`${store.file}.backup.part`);

    await expect(migrateStore(store.file, { now })).rejects.toThrow(
      /could not be upgraded from schema 1 to 2: .*It is unchanged; check that the disk has room/,
    );

    expect(contentOf(store.file)).toEqual(before);
    expect(versionOf(store.file)).toEqual({ user_version: 1 });
  });

  it("refuses a store of a newer release", async () => {
    using store = oldStore();
    const db = new DatabaseSync(store.file);
    db.exec("PRAGMA user_version = 99");
    db.close();

    await expect(Database.open(store.file)).rejects.toThrow(
      /has schema version 99, but this bridge knows versions up to 2; use the release that last opened it/,
    );
  });
});
