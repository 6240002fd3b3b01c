import { closeSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout } from "node:timers/promises";
import { BridgeError } from "../../bridge/values/bridge-error.ts";
import { takeLock } from "./lock.ts";
import { schemaVersion } from "./schema.ts";

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
  const from = versionOf(file);
  if (from === undefined || from === schemaVersion) return undefined;
  if (from > schemaVersion || from < 1) throw new BridgeError("store-unavailable", unsupported(file, from));
  const lock = await lockStore(file, maxWaitMs);
  if (!lock) return undefined;
  try {
    const backup = backUp(file, from, now);
    applySteps(file, now);
    return { from, to: schemaVersion, backup };
  } catch (error) {
    throw new BridgeError(
      "store-unavailable",
      `${file} could not be upgraded from schema ${from} to ${schemaVersion}: ${(error as Error).message}. It is unchanged; check that the disk has room for a copy of the store, and start again`,
      { cause: error },
    );
  } finally {
    lock.release();
  }
}

/** Returns a store's schema version, or `undefined` if it has no tables yet. */
function versionOf(file: string): number | undefined {
  const db = new DatabaseSync(file, { timeout: 5_000 });
  try {
    if (db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined) return undefined;
    return (db.prepare("PRAGMA user_version").get() as { user_version: number }).user_version;
  } finally {
    db.close();
  }
}

function unsupported(file: string, found: number): string {
  return found > schemaVersion
    ? `${file} has schema version ${found}, but this bridge knows versions up to ${schemaVersion}; use the release that last opened it, or another --dir`
    : `${file} has schema version ${found}, which no release of the bridge has created; choose another --dir`;
}

/**
 * Takes the lock of the process that works on the store, so that no process of an earlier release writes meanwhile.
 *
 * @returns `undefined` if another process has migrated the store
 */
async function lockStore(file: string, maxWaitMs: number): Promise<{ release(): void } | undefined> {
  for (let waited = 0; ; waited += waitMs) {
    const lock = takeLock(join(dirname(file), "runner.lock"));
    const isCurrent = versionOf(file) === schemaVersion;
    if (isCurrent) lock?.release();
    if (isCurrent || lock) return isCurrent ? undefined : lock;
    if (waited >= maxWaitMs) {
      throw new BridgeError(
        "store-unavailable",
        `${file} must be upgraded, but a bridge of an earlier release is working on it; stop that bridge, and start again`,
      );
    }
    await setTimeout(waitMs);
  }
}

/**
 * Copies the store, readable only by its owner. The copy has its final name only when it is complete and on disk.
 *
 * @returns the copy's path
 */
function backUp(file: string, version: number, now: number): string {
  const temporary = `${file}.backup.part`;
  const stamp = new Date(now).toISOString().replace(/[-:]|\.\d+/g, "");
  const backup = `${file}.schema-${version}.${stamp}.backup`;
  rmSync(temporary, { force: true });
  closeSync(openSync(temporary, "wx", 0o600));
  const db = new DatabaseSync(file, { timeout: 5_000 });
  try {
    db.prepare("VACUUM INTO ?").run(temporary);
  } finally {
    db.close();
  }
  sync(temporary);
  renameSync(temporary, backup);
  sync(dirname(file));
  return backup;
}

function sync(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function applySteps(file: string, now: number): void {
  const db = new DatabaseSync(file, { timeout: 5_000 });
  try {
    db.exec("PRAGMA synchronous = FULL; BEGIN IMMEDIATE");
    const { user_version: from } = db.prepare("PRAGMA user_version").get() as { user_version: number };
    for (let to = from + 1; to <= schemaVersion; to++) (steps.get(to) as Step)(db, now);
    db.exec(`PRAGMA user_version = ${schemaVersion}; COMMIT`);
  } finally {
    // Closing rolls back a transaction that was not committed.
    db.close();
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
