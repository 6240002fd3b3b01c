import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statfsSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout } from "node:timers/promises";
import { BridgeError } from "../../bridge/values/bridge-error.ts";
import { takeLock } from "./lock.ts";
import { schema, schemaVersion } from "./schema.ts";

/** A migration that was made when a store was opened. */
export interface Migration {
  readonly from: number;
  readonly to: number;
  /** Path of the backup that was made before. */
  readonly backup: string;
}

/** Changes the tables from the version before to the version of the key. Runs in one transaction. */
type Step = (db: DatabaseSync, now: number) => void;

/** Time between two looks while another process has the store's lock, in ms. */
const waitMs = 100;

export interface MigrateOptions {
  /** Time of the migration, in ms since the epoch. */
  readonly now: number;
  /** Maximum time to wait for another process that migrates the store, in ms. */
  readonly maxWaitMs?: number;
}

const steps: ReadonlyMap<number, Step> = new Map([[2, addOrderOfAcceptance]]);

/** The store's version, or `new` if it has no tables yet, or `locked` if another process migrates it. */
type FoundVersion = number | "new" | "locked";

/**
 * Brings a store of an earlier release to the current schema. A backup is made first. After a crash at any point, the
 * store is unchanged, and the next start begins again.
 *
 * @returns `undefined` if nothing had to be done
 * @throws {BridgeError} if the store is newer than this bridge, is in use by an earlier release, or cannot be written
 */
export async function migrateStore(
  file: string,
  { now, maxWaitMs = 30_000 }: MigrateOptions,
): Promise<Migration | undefined> {
  try {
    const from = versionOf(file);
    if (from === "new" || from === schemaVersion) return undefined;
    if (from !== "locked" && !steps.has(from + 1)) throw new BridgeError("store-unavailable", unsupported(file, from));
    using store = await takeStore(file, maxWaitMs);
    return store && migrate(file, store, now);
  } catch (error) {
    if (error instanceof BridgeError) throw error;
    throw new BridgeError("store-unavailable", failed(file, error as Error), { cause: error });
  }
}

/**
 * Creates the tables of a new store in one transaction, so that no process and no crash ever leaves a part of them.
 *
 * @throws {BridgeError} if the store has another version of the schema; see `migrateStore`
 */
export function createTables(db: DatabaseSync): void {
  if (versionIn(db) === schemaVersion) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    const found = versionIn(db);
    if (found === "new") {
      for (const table of tablesIn(db)) db.exec(`DROP TABLE ${table}`);
      db.exec(`${schema} PRAGMA user_version = ${schemaVersion};`);
    } else if (found !== schemaVersion) {
      throw new BridgeError("store-unavailable", `the store has schema version ${found}, not ${schemaVersion}`);
    }
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

function versionOf(file: string): FoundVersion {
  const db = new DatabaseSync(file, { timeout: waitMs });
  try {
    return versionIn(db);
  } catch (error) {
    if (isBusy(error)) return "locked";
    throw error;
  } finally {
    db.close();
  }
}

function versionIn(db: DatabaseSync): number | "new" {
  const { user_version: version } = db.prepare("PRAGMA user_version").get() as { user_version: number };
  return version === 0 && isUnfinished(db) ? "new" : version;
}

/**
 * Returns true if a store has no tables, or only empty tables of which the first is one of release 2a54c69. That release
 * created the tables one by one, so a crash could leave a part of them, without a version.
 */
function isUnfinished(db: DatabaseSync): boolean {
  const tables = tablesIn(db);
  if (tables.length === 0) return true;
  const columns = db.prepare("SELECT name FROM pragma_table_info('messages')").all();
  return (
    columns.map(({ name }) => name).join() === "seq,queue,lane,body,receives" &&
    tables.every((table) => db.prepare(`SELECT 1 FROM ${table}`).get() === undefined)
  );
}

function tablesIn(db: DatabaseSync): string[] {
  const tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
  return db
    .prepare(tables)
    .all()
    .map(({ name }) => `"${name}"`);
}

function unsupported(file: string, found: number): string {
  return found > schemaVersion
    ? `${file} has schema version ${found}, but this bridge knows versions up to ${schemaVersion}; use the release that last opened it, or another --dir`
    : `${file} has schema version ${found}, which no release of the bridge has created; choose another --dir`;
}

function failed(file: string, error: Error): string {
  return `${file} could not be opened with schema ${schemaVersion}: ${error.message}. It is unchanged; ${remedyFor(file, error)}, and start again`;
}

/** Result code of SQLite for a full disk. */
const full = 13;

function remedyFor(file: string, error: Error): string {
  // Checked instead of the error, because SQLite reports a file or folder that is not writable in several ways.
  if (![file, dirname(file)].every(isWritable)) return "let the bridge's user write the file and its folder";
  const { code, errcode = 0 } = error as { code?: string; errcode?: number };
  const isFull = (errcode & 0xff) === full || code === "ENOSPC" || code === "EDQUOT";
  return isFull ? "free space on its disk for a copy of it" : "check the disk";
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function isBusy(error: unknown): boolean {
  return (error as { errcode?: number }).errcode === 5;
}

/** The only open connection to a store, which keeps all other processes out until it is disposed of. */
interface HeldStore extends Disposable {
  readonly db: DatabaseSync;
}

/**
 * Takes the store for this process alone. The lock of the process that works on the store is taken too, because processes
 * of an earlier release respect it.
 *
 * @returns `undefined` if another process has migrated the store
 */
async function takeStore(file: string, maxWaitMs: number): Promise<HeldStore | undefined> {
  for (let waited = 0; ; waited += waitMs) {
    const found = versionOf(file);
    if (found === schemaVersion) return undefined;
    const store = found === "locked" ? undefined : tryToTake(file);
    if (store) return store;
    if (waited >= maxWaitMs) {
      const reason =
        found === "locked"
          ? "another process is upgrading it; wait until it has finished"
          : "a bridge or a command of an earlier release has it open; stop that process";
      throw new BridgeError("store-unavailable", `${file} must be upgraded, but ${reason}, and start again`);
    }
    await setTimeout(waitMs);
  }
}

/** @returns `undefined` if another process has the store open, or works on it */
function tryToTake(file: string): HeldStore | undefined {
  const lock = takeLock(join(dirname(file), "runner.lock"));
  if (!lock) return undefined;
  const db = new DatabaseSync(file, { timeout: waitMs });
  const release = () => {
    db.close();
    lock.release();
  };
  try {
    // Leaving WAL mode fails if another connection is open. From then on, only this one can read or write.
    db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL;");
    db.exec("BEGIN EXCLUSIVE; COMMIT");
    return { db, [Symbol.dispose]: release };
  } catch (error) {
    release();
    if (isBusy(error)) return undefined;
    throw error;
  }
}

/** @returns `undefined` if another process has migrated the store */
function migrate(file: string, { db }: HeldStore, now: number): Migration | undefined {
  const from = versionIn(db);
  if (from === "new" || from === schemaVersion) return undefined;
  const backup = backUp(file, db, { version: from, now });
  try {
    db.exec("BEGIN IMMEDIATE");
    for (let to = from + 1; to <= schemaVersion; to++) (steps.get(to) as Step)(db, now);
    db.exec(`PRAGMA user_version = ${schemaVersion}`);
    // Named only now, so that attempts that fail or are killed do not fill the disk with backups.
    renameSync(backup.temporary, backup.file);
    sync(dirname(file));
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    rmSync(backup.temporary, { force: true });
    rmSync(backup.file, { force: true });
    throw error;
  }
  return { from, to: schemaVersion, backup: backup.file };
}

interface Backup {
  /** Name of the complete copy until the migration is about to be committed. */
  readonly temporary: string;
  readonly file: string;
}

/** Copies the store, readable only by its owner. The copy is complete and on disk when this returns. */
function backUp(file: string, db: DatabaseSync, { version, now }: { version: number; now: number }): Backup {
  const temporary = `${file}.backup.part`;
  rmSync(temporary, { force: true });
  checkRoom(file, db);
  closeSync(openSync(temporary, "wx", 0o600));
  try {
    db.prepare("VACUUM INTO ?").run(temporary);
    sync(temporary);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  return { temporary, file: freeName(`${file}.schema-${version}`, now) };
}

/** @throws {Error} with the code `ENOSPC` if the disk has no room for a copy of the store */
function checkRoom(file: string, db: DatabaseSync): void {
  const { bavail, bsize } = statfsSync(dirname(file));
  const { pages } = db
    .prepare("SELECT page_count * page_size AS pages FROM pragma_page_count, pragma_page_size")
    .get() as {
    pages: number;
  };
  if (bavail * bsize >= pages) return;
  const [free, needed] = [bavail * bsize, pages].map((bytes) => Math.ceil(bytes / 1e6));
  throw Object.assign(new Error(`its disk has ${free} MB free, and a backup needs ${needed} MB`), { code: "ENOSPC" });
}

/** Returns the name of a backup that does not exist yet. */
function freeName(prefix: string, now: number): string {
  const stamp = new Date(now).toISOString().replace(/[-:]|\.\d+/g, "");
  for (let number = 1; ; number++) {
    const name = `${prefix}.${stamp}${number === 1 ? "" : `-${number}`}.backup`;
    if (!existsSync(name)) return name;
  }
}

function sync(path: string): void {
  if (process.platform === "win32") return;
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Version 2 orders events where they become durable, and places in a strict lane by that order. */
function addOrderOfAcceptance(db: DatabaseSync, now: number): void {
  db.exec(`
    ALTER TABLE events RENAME COLUMN accepted TO recorded;
    CREATE TABLE acceptance (id INTEGER PRIMARY KEY CHECK (id = 1), last INTEGER NOT NULL);
    INSERT INTO acceptance (id, last) SELECT 1, coalesce(max(recorded), 0) FROM events;
    ALTER TABLE messages ADD COLUMN stamp INTEGER;
    ALTER TABLE messages ADD COLUMN sent_at INTEGER;
    UPDATE messages SET sent_at = ${now};
    UPDATE messages SET stamp = (SELECT last FROM acceptance) + seq WHERE queue IN ('inbox', 'inbox-dead');
    CREATE INDEX messages_inbox ON messages (stamp) WHERE queue = 'inbox';
    UPDATE acceptance SET last = max(last, (SELECT coalesce(max(stamp), 0) FROM messages));
    ALTER TABLE packets ADD COLUMN strict_source TEXT;
    ALTER TABLE packets ADD COLUMN strict_sequence INTEGER;
    ALTER TABLE packets ADD COLUMN strict_epoch INTEGER;
    UPDATE packets SET (strict_order, strict_source, strict_sequence) = (
      SELECT packet ->> '$.version.accepted', packet ->> '$.version.source', packet ->> '$.version.sequence'
      FROM packet_bodies WHERE packet_bodies.seq = packets.seq
    ) WHERE strict_lane IS NOT NULL;
    CREATE TABLE reservations (
      connector TEXT NOT NULL,
      accepted INTEGER NOT NULL,
      event TEXT NOT NULL,
      PRIMARY KEY (connector, accepted, event)
    ) WITHOUT ROWID;
  `);
}
