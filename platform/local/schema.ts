/** Version of the tables below. Increases with every change to them, which needs a step in `migrations.ts`. */
export const schemaVersion = 2;

/**
 * Tables of the embedded engine.
 *
 * The cost of a commit depends on the pages that it touches. Rows are therefore appended in time order with short keys in
 * the same order, and columns that change often are kept apart from those that never change. Only the indexes of hashed
 * ids are in random order.
 *
 * - `packets` holds a packet's progress; `packet_bodies` holds the packet itself under the same `seq`.
 * - `ledger` groups entries by `owner`: `2 * seq` of their packet, or `2 * seq + 1` of their event.
 * - `dedup` needs no index, because it is read into memory when the store is opened.
 * - `acceptance` has one row: the last position given in the order of acceptance.
 * - `recorded` of an event is the time at which it was recorded, in µs since the epoch.
 * - Counts are read from an index, because reading the rows takes twenty times as long.
 */
export const schema = `
CREATE TABLE IF NOT EXISTS messages (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  queue TEXT NOT NULL,
  lane TEXT NOT NULL,
  body TEXT NOT NULL,
  receives INTEGER NOT NULL,
  stamp INTEGER,
  sent_at INTEGER
);

CREATE INDEX IF NOT EXISTS messages_inbox ON messages (stamp) WHERE queue = 'inbox';

CREATE TABLE IF NOT EXISTS acceptance (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  last INTEGER NOT NULL
);
INSERT OR IGNORE INTO acceptance (id, last) VALUES (1, 0);

CREATE TABLE IF NOT EXISTS dedup (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL,
  until INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS packets (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  etag INTEGER NOT NULL,
  connector TEXT NOT NULL,
  status TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  unsent INTEGER,
  strict_lane TEXT,
  strict_order INTEGER,
  strict_source TEXT,
  strict_sequence INTEGER,
  strict_epoch INTEGER,
  progress TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS packet_bodies (
  seq INTEGER PRIMARY KEY,
  packet TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS packets_by_time ON packets (recorded_at);
CREATE INDEX IF NOT EXISTS packets_by_status ON packets (status);
CREATE INDEX IF NOT EXISTS packets_waiting ON packets (connector, recorded_at) WHERE status IN ('QUEUED', 'RETRY');
CREATE INDEX IF NOT EXISTS packets_held ON packets (recorded_at) WHERE status = 'HELD';
CREATE INDEX IF NOT EXISTS packets_unsent ON packets (connector) WHERE unsent = 1;
CREATE INDEX IF NOT EXISTS packets_in_lane ON packets (strict_lane, strict_order) WHERE strict_lane IS NOT NULL;

CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  etag INTEGER NOT NULL,
  status TEXT NOT NULL,
  unsent INTEGER,
  type TEXT,
  recorded INTEGER NOT NULL,
  duplicates INTEGER NOT NULL,
  value TEXT NOT NULL,
  event TEXT
);
CREATE INDEX IF NOT EXISTS events_by_type ON events (type, seq);
CREATE INDEX IF NOT EXISTS events_by_status ON events (status, duplicates);
CREATE INDEX IF NOT EXISTS events_unsent ON events (recorded) WHERE unsent = 1;

CREATE TABLE IF NOT EXISTS reservations (
  connector TEXT NOT NULL,
  accepted INTEGER NOT NULL,
  event TEXT NOT NULL,
  PRIMARY KEY (connector, accepted, event)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS documents (
  id TEXT NOT NULL,
  kind TEXT NOT NULL,
  etag INTEGER NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (id, kind)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS documents_jobs ON documents (id) WHERE kind = 'job';

CREATE TABLE IF NOT EXISTS ledger (
  seq INTEGER PRIMARY KEY,
  owner INTEGER NOT NULL,
  number INTEGER NOT NULL,
  entry TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS ledger_by_owner ON ledger (owner, number);
CREATE TRIGGER IF NOT EXISTS ledger_keeps_entries BEFORE UPDATE ON ledger
  BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ledger_keeps_all BEFORE DELETE ON ledger
  BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
`;
