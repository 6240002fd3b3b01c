import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { Database } from "../../../platform/local/database.ts";
import type { Operation } from "../../../platform/local/write-operations.ts";
import { home } from "../../support/home.ts";

const sending = (body: string): Operation => ({
  op: "send",
  now: 0,
  queue: "lane:Fake@v1",
  messages: [{ lane: "a", body }],
  dedup: [],
});

describe("database file", () => {
  it("contains every resolved write after it is closed and reopened", async () => {
    using folder = home();
    const file = join(folder.path, "bridge.db");
    const before = await Database.open(file);
    await Promise.all(Array.from({ length: 50 }, (_, i) => before.write(sending(`${i}`))));
    await before.close();

    const after = await Database.open(file);

    expect(after.sql("SELECT count(*) AS n FROM messages").get()).toEqual({ n: 50 });
    await after.close();
  });

  it("shows a write to other processes before its promise resolves", async () => {
    using folder = home();
    const file = join(folder.path, "bridge.db");
    const db = await Database.open(file);

    await db.write(sending("1"));

    const other = new DatabaseSync(file, { readOnly: true });
    expect(other.prepare("SELECT body FROM messages").all()).toEqual([{ body: "1" }]);
    other.close();
    await db.close();
  });

  it("completes pending writes when closed and rejects later ones", async () => {
    using folder = home();
    const db = await Database.open(join(folder.path, "bridge.db"));

    const asked = db.write(sending("1"));
    const closing = db.close();
    const late = expect(db.write(sending("2"))).rejects.toThrow("the store is closed");

    await expect(asked).resolves.toMatchObject({ done: true });
    await late;
    await closing;
  });

  it("commits concurrent writes together and fails only the conflicting ones", async () => {
    await using opened = await inMemory();
    const { db } = opened;
    const cursor = (id: string, etag: number): Operation => ({
      op: "put",
      puts: [{ kind: "document", etag, name: "cursor", id, value: "{}" }],
      entries: [],
    });

    const results = await Promise.all([db.write(cursor("a", 0)), db.write(cursor("a", 0)), db.write(cursor("b", 0))]);

    expect(results.map(({ done }) => done)).toEqual([true, false, true]);
  });

  it("rejects a write with the reason if the writer thread cannot write", { tags: "row-35" }, async () => {
    using folder = home();
    const file = join(folder.path, "bridge.db");
    const db = await Database.open(file);
    await db.write(sending("1"));
    const other = new DatabaseSync(file);
    other.exec("DROP TABLE messages");
    other.close();

    await expect(db.write(sending("2"))).rejects.toThrow(/^the store did not accept the write: no such table/);
    await expect(db.write({ op: "purgeExpired", now: 0, dedupMs: 1 })).resolves.toMatchObject({ done: true });
    await db.close();
  });

  it("rejects a write with the reason if nothing can be written, and continues afterwards", {
    tags: "row-35",
  }, async () => {
    await using opened = await inMemory();
    const { db } = opened;
    await db.write(sending("1"));
    db.sql("PRAGMA query_only = ON").all();

    await expect(db.write(sending("2"))).rejects.toThrow(/^the store did not accept the write: .*readonly/);
    db.sql("PRAGMA query_only = OFF").all();

    await expect(db.write(sending("3"))).resolves.toMatchObject({ done: true });
    expect(db.sql("SELECT body FROM messages ORDER BY seq").all()).toEqual([{ body: "1" }, { body: "3" }]);
  });

  it("keeps its data when the disk is full, rejects writes, and continues once there is room", {
    tags: "row-35",
  }, async () => {
    await using opened = await inMemory();
    const { db } = opened;
    await db.write(sending("1"));
    const { page_count: pages } = db.sql("PRAGMA page_count").get() as { page_count: number };
    db.sql(`PRAGMA max_page_count = ${pages + 2}`).all();

    await expect(db.write(sending("x".repeat(100_000)))).rejects.toThrow(/full/);
    db.sql("PRAGMA max_page_count = 1000000").all();

    await expect(db.write(sending("2"))).resolves.toMatchObject({ done: true });
    expect(db.sql("SELECT body FROM messages ORDER BY seq").all()).toEqual([{ body: "1" }, { body: "2" }]);
  });

  it("fails to open with another schema version, and names the fix", async () => {
    using folder = home();
    const file = join(folder.path, "bridge.db");
    const older = new DatabaseSync(file);
    older.exec("CREATE TABLE packets (id TEXT); PRAGMA user_version = 0;");
    older.close();

    await expect(Database.open(file)).rejects.toThrow(
      /has schema version 0, which no release of the bridge has created; choose another --dir/,
    );
  });

  it("fails to open if it is not a database", { tags: "row-35" }, async () => {
    using folder = home();
    const file = join(folder.path, "bridge.db");
    writeFileSync(file, "this is not a database, and long enough to be sure of it ".repeat(100));

    await expect(Database.open(file)).rejects.toThrow(/not a database/);
  });
});

async function inMemory() {
  const db = await Database.open(undefined);
  return { db, [Symbol.asyncDispose]: () => db.close() };
}
