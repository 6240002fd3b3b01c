import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { Database } from "../../../platform/local/database.ts";
import { takeLock } from "../../../platform/local/lock.ts";
import { migrateStore } from "../../../platform/local/migrations.ts";
import { schemaVersion } from "../../../platform/local/schema.ts";
import { home } from "../../support/home.ts";
import { killedAtEachCall, runKilled } from "../../support/killed-process.ts";

const released = join(import.meta.dirname, "..", "..", "fixtures", "stores", "2a54c69", "store");
const platform = join(import.meta.dirname, "..", "..", "..", "platform", "local");
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
    /** Puts the store back as the release left it. */
    reset() {
      rmSync(path, { recursive: true });
      cpSync(released, path, { recursive: true });
      chmodSync(path, 0o700);
    },
    /** Gives the store to a user without privileges. Returns the user, or nothing if the tests have none themselves. */
    asOrdinaryUser() {
      if (process.getuid?.() !== 0) return {};
      for (const file of [path, ...readdirSync(path).map((name) => join(path, name))]) chownSync(file, nobody, nobody);
      return { uid: nobody, gid: nobody };
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

const nobody = 65_534;

/** Returns the statements that release 2a54c69 created its tables with. */
function releasedStatements(): { readonly sql: string }[] {
  using store = oldStore();
  return read(store.file, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL") as { sql: string }[];
}

function backupsIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.endsWith(".backup"));
}

function read(file: string, sql: string): unknown[] {
  // Not read-only, because a journal that a crash has left is rolled back first.
  const db = new DatabaseSync(file);
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

describe("the migration of a store of schema 1", { tags: "row-41" }, () => {
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
      "must be upgraded, but a bridge or a command of an earlier release has it open; stop that process, and start again",
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
      /could not be opened with schema 2: .*It is unchanged; check the disk, and start again/,
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

  it("fails while a command of an earlier release has the store open, although it holds no lock", async () => {
    using store = oldStore();
    const command = new DatabaseSync(store.file);
    command.prepare("SELECT 1 FROM packets").get();

    await expect(migrateStore(store.file, { now, maxWaitMs: 0 })).rejects.toThrow(
      "must be upgraded, but a bridge or a command of an earlier release has it open; stop that process, and start again",
    );

    command.exec("UPDATE messages SET receives = receives + 1");
    command.close();
    expect(versionOf(store.file)).toEqual({ user_version: 1 });
    expect(backupsIn(store.path)).toEqual([]);
    expect(await migrateStore(store.file, { now, maxWaitMs: 0 })).toMatchObject({ from: 1 });
  });

  it("keeps other processes out until it is complete, and they then say that they wait for it", async () => {
    using store = oldStore();
    const migrating = new DatabaseSync(store.file);
    migrating.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE; COMMIT");

    await expect(migrateStore(store.file, { now, maxWaitMs: 0 })).rejects.toThrow(
      "must be upgraded, but another process is upgrading it; wait until it has finished, and start again",
    );

    const waiting = migrateStore(store.file, { now });
    migrating.exec(`PRAGMA user_version = ${schemaVersion}`);
    migrating.close();
    expect(await waiting).toBeUndefined();
  });

  it("happens once, and every one of several processes at once then has the store open", {
    timeout: 60_000,
  }, async () => {
    using store = oldStore();
    const open = `
      import { Database } from ${JSON.stringify(join(platform, "database.ts"))};
      const db = await Database.open(${JSON.stringify(store.file)});
      console.log(db.migration === undefined ? "" : "migrated", db.sql("SELECT count(*) AS n FROM packets").get().n);
      await db.close();`;

    const results = await Promise.all([1, 2, 3, 4].map(() => runKilled(open, 0)));

    expect(results.map(({ output }) => output.trim()).sort()).toEqual(["127", "127", "127", "migrated 127"]);
    expect(backupsIn(store.path)).toHaveLength(1);
  });

  it("gives the same store after a crash at any call, and never loses the backup", { timeout: 120_000 }, async () => {
    using expected = oldStore();
    const before = contentOf(expected.file);
    await migrateStore(expected.file, { now });
    const after = contentOf(expected.file);
    const killed = new Set<string>();
    using store = oldStore();
    const migration = `
      import { migrateStore } from ${JSON.stringify(join(platform, "migrations.ts"))};
      await migrateStore(${JSON.stringify(store.file)}, { now: ${now} });`;

    for await (const { calls } of killedAtEachCall(migration)) {
      const crash = `killed after ${calls.at(-1)}`;
      killed.add(crash);
      const found = versionOf(store.file);
      expect(found, crash).toEqual({ user_version: 1 });
      expect(contentOf(store.file), crash).toEqual(before);
      await migrateStore(store.file, { now });
      expect(contentOf(store.file), crash).toEqual(after);
      const backups = backupsIn(store.path);
      expect(backups.length, crash).toBeGreaterThan(0);
      for (const backup of backups) expect(contentOf(join(store.path, backup)), crash).toEqual(before);
      expect(readdirSync(store.path).filter((name) => name.endsWith(".part"))).toEqual([]);
      store.reset();
    }

    expect(killed.size).toBeGreaterThanOrEqual(20);
  });

  it("does not fill the disk with backups if it is killed again and again", async () => {
    using store = oldStore();
    const killed = `
      import { migrateStore } from ${JSON.stringify(join(platform, "migrations.ts"))};
      await migrateStore(${JSON.stringify(store.file)}, { now: Date.now() });`;

    for (let i = 0; i < 3; i++) expect((await runKilled(killed, 20)).killed).toBe(true);

    expect(backupsIn(store.path)).toEqual([]);
    expect(readdirSync(store.path).filter((name) => name.endsWith(".part"))).toHaveLength(1);
  });

  it("never overwrites a backup", async () => {
    using store = oldStore();
    writeFileSync(join(store.path, backupName), "the backup of an earlier upgrade");

    const migration = await migrateStore(store.file, { now });

    expect(readFileSync(join(store.path, backupName), "utf8")).toBe("the backup of an earlier upgrade");
    expect(migration?.backup).toBe(join(store.path, backupName.replace(".backup", "-2.backup")));
    expect(versionOf(migration?.backup as string)).toEqual({ user_version: 1 });
  });

  it("leaves the store unchanged if the disk has no room for a backup, and names the room that it needs", async () => {
    using store = oldStore();
    const before = contentOf(store.file);
    const full = `
      import fs from "node:fs";
      import { syncBuiltinESMExports } from "node:module";
      fs.statfsSync = () => ({ bavail: 1, bsize: 4_096 });
      syncBuiltinESMExports();
      const { migrateStore } = await import(${JSON.stringify(join(platform, "migrations.ts"))});
      await migrateStore(${JSON.stringify(store.file)}, { now: ${now} }).catch(({ message }) => console.log(message));`;

    const { output } = await runKilled(full, 0);

    expect(output).toMatch(
      /its disk has 1 MB free, and a backup needs \d+ MB. It is unchanged; free space on its disk for a copy of it, and start again/,
    );
    expect(contentOf(store.file)).toEqual(before);
    expect(versionOf(store.file)).toEqual({ user_version: 1 });
    expect(readdirSync(store.path).filter((name) => name.includes("backup"))).toEqual([]);
  });

  it.each([
    ["folder", 0o500, 0o400],
    ["file", 0o700, 0o400],
  ])("leaves a store in a read-only %s unchanged, and names the fix", async (_, folderMode, fileMode) => {
    using store = oldStore();
    const before = contentOf(store.file);
    const open = `
      import { migrateStore } from ${JSON.stringify(join(platform, "migrations.ts"))};
      await migrateStore(${JSON.stringify(store.file)}, { now: ${now} }).catch(({ message }) => console.log(message));`;
    chmodSync(store.file, fileMode);
    chmodSync(store.path, folderMode);

    const { output } = await runKilled(open, 0, { user: store.asOrdinaryUser() });

    expect(output).toMatch(
      /could not be opened with schema 2: .*It is unchanged; let the bridge's user write the file and its folder/,
    );
    chmodSync(store.path, 0o700);
    expect(contentOf(store.file)).toEqual(before);
  });
});

describe("a new store", () => {
  it("has all of its tables or none after a crash at any call", { timeout: 60_000 }, async () => {
    using folder = home();
    const file = join(folder.path, "bridge.db");
    const create = `
      import { openToWrite, Writer } from ${JSON.stringify(join(platform, "write-operations.ts"))};
      new Writer(openToWrite(${JSON.stringify(file)}));`;
    const counts = new Set<number>();

    for await (const { calls } of killedAtEachCall(create)) {
      counts.add(read(file, "SELECT 1 FROM sqlite_schema WHERE type = 'table'").length);
      await (await Database.open(file)).close();
      expect(versionOf(file), calls.at(-1)).toEqual({ user_version: schemaVersion });
      for (const name of readdirSync(folder.path)) rmSync(join(folder.path, name));
    }

    expect([...counts]).toEqual([0]);
  });

  it("gets new tables if a crash of release 2a54c69 left a part of them, without rows", async () => {
    using folder = home();
    const statements = releasedStatements();
    for (let count = 1; count < statements.length; count++) {
      const file = join(folder.path, `${count}.db`);
      const db = new DatabaseSync(file);
      for (const { sql } of statements.slice(0, count)) if (!sql.includes("sqlite_sequence")) db.exec(sql);
      db.close();

      const opened = await Database.open(file);

      expect(opened.migration, `${count} statements`).toBeUndefined();
      await expect(opened.write({ op: "stamp", count: 1, now })).resolves.toMatchObject({ seqs: [now * 1_000] });
      await opened.close();
    }
    expect(statements.length).toBeGreaterThan(15);
  });

  it("never replaces tables that have rows or that another program has created", async () => {
    using folder = home();
    for (const [name, sql] of Object.entries({
      rows: `${releasedStatements().find(({ sql }) => sql.includes("TABLE messages"))?.sql};
        INSERT INTO messages (queue, lane, body, receives) VALUES ('inbox', 'a', '{}', 0)`,
      other: "CREATE TABLE people (name TEXT)",
    })) {
      const file = join(folder.path, `${name}.db`);
      const db = new DatabaseSync(file);
      db.exec(sql);
      db.close();

      await expect(Database.open(file)).rejects.toThrow(
        /has schema version 0, which no release .* choose another --dir/,
      );
    }
  });
});
