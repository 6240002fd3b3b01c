/**
 * The embedded engine's tables.
 *
 * Rows are appended, and found again by indexes of short keys: a write touches few pages, and pages are what a commit
 * costs. `packets_by_status` is for counting; lists go by time.
 */
export const schema = `
CREATE TABLE IF NOT EXISTS messages (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  queue TEXT NOT NULL,
  lane TEXT NOT NULL,
  id TEXT NOT NULL,
  body TEXT NOT NULL,
  receives INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS dedup (
  queue TEXT NOT NULL,
  id TEXT NOT NULL,
  until INTEGER NOT NULL,
  PRIMARY KEY (queue, id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS packets (
  id TEXT PRIMARY KEY,
  etag INTEGER NOT NULL,
  connector TEXT NOT NULL,
  status TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  unsent INTEGER,
  strict_lane TEXT,
  strict_order INTEGER,
  packet TEXT NOT NULL,
  progress TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS packets_by_time ON packets (recorded_at, id);
CREATE INDEX IF NOT EXISTS packets_by_status ON packets (status);
CREATE INDEX IF NOT EXISTS packets_waiting ON packets (connector, recorded_at, id) WHERE status IN ('QUEUED', 'RETRY');
CREATE INDEX IF NOT EXISTS packets_unsent ON packets (connector) WHERE unsent = 1;
CREATE INDEX IF NOT EXISTS packets_in_lane ON packets (strict_lane, strict_order) WHERE strict_lane IS NOT NULL;

CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  etag INTEGER NOT NULL,
  status TEXT NOT NULL,
  unsent INTEGER,
  type TEXT,
  accepted INTEGER NOT NULL,
  duplicates INTEGER NOT NULL,
  value TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_time ON events (accepted);
CREATE INDEX IF NOT EXISTS events_by_type ON events (type, seq);
CREATE INDEX IF NOT EXISTS events_unsent ON events (accepted) WHERE unsent = 1;

CREATE TABLE IF NOT EXISTS documents (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  etag INTEGER NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (kind, id)
);

CREATE TABLE IF NOT EXISTS ledger (
  chain TEXT NOT NULL,
  seq INTEGER NOT NULL,
  entry TEXT NOT NULL,
  PRIMARY KEY (chain, seq)
);
CREATE TRIGGER IF NOT EXISTS ledger_keeps_entries BEFORE UPDATE ON ledger
  BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ledger_keeps_all BEFORE DELETE ON ledger
  BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
`;
