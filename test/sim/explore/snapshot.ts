import type { Packet } from "../../../bridge/model/packet.ts";
import type { Message } from "../../../bridge/ports/queue.ts";
import type { Database } from "../../../platform/local/database.ts";
import type { Invisible } from "./observed-queue.ts";

/** Result of one call of a worker. */
export interface Result {
  readonly name: string;
  /** Time at which the worker received it, in ms since the beginning. */
  readonly elapsed: number;
  readonly outcome: { readonly value: unknown } | { readonly error: Error };
}

/** A worker's program point: the results of its own calls determine it, because the core is deterministic. */
export interface WorkerPoint {
  /** Number of its crashes. */
  readonly life: number;
  /** Index of its current work in its program. */
  readonly work: number;
  readonly done: boolean;
  /** Results of the calls of its current work. Nothing of an earlier work is left in its memory. */
  readonly results: readonly Result[];
  /** Hash of the results. */
  readonly hash: string;
  /** Time at which the current work began, in ms since the beginning. */
  readonly bornAt: number;
}

/** Everything from which a state is restored. */
export interface Snapshot {
  readonly rows: Rows;
  readonly invisible: readonly (readonly [string, Invisible])[];
  readonly elapsed: number;
  readonly given: readonly Message[];
  /** Packets that were sent to the target, in order, and if each was applied. */
  readonly sent: readonly SentPacket[];
  readonly workers: readonly WorkerPoint[];
  readonly trace: readonly string[];
}

export interface SentPacket {
  readonly packet: Packet;
  readonly isApplied: boolean;
  /** ms since the epoch */
  readonly at: number;
}

/** A row of the store. Equal rows of all states are one object, which saves memory and makes hashing fast. */
export interface Row {
  readonly columns: Readonly<Record<string, string | number | null>>;
  /** Number of the row's contents. */
  readonly id: number;
}

export type Rows = readonly (readonly Row[])[];

/**
 * All tables of the store. The ledger is ordered by chain, because only seals depend on the order across chains, and
 * deduplication ids are a set, because those of a kind expire together.
 */
const tables = [
  { name: "messages", order: "seq" },
  { name: "dedup", order: "id" },
  { name: "packets", order: "seq" },
  { name: "packet_bodies", order: "seq" },
  { name: "events", order: "seq" },
  { name: "reservations", order: "connector, accepted, event" },
  { name: "documents", order: "id, kind" },
  { name: "ledger", order: "owner, number" },
  { name: "acceptance", order: "id" },
  { name: "sqlite_sequence", order: "name" },
];

const known = new Map<string, Row>();

export function rowsOf(db: Database): Rows {
  return tables.map(({ name, order }) =>
    db
      .sql(`SELECT * FROM ${name} ORDER BY ${order}`)
      .all()
      .map(({ ...columns }) => {
        if (name === "ledger" || name === "dedup") delete columns.seq;
        // Numbers of deduplication ids are given again when a state is restored.
        if (columns.name === "dedup") columns.seq = 0;
        const text = name + JSON.stringify(columns);
        const row = known.get(text) ?? { columns: columns as Row["columns"], id: known.size };
        known.set(text, row);
        return row;
      }),
  );
}

/** Removes the triggers that protect the ledger, so that its rows can be replaced. */
export function unprotectLedger(db: Database): void {
  for (const trigger of ["ledger_keeps_all", "ledger_keeps_entries"]) db.sql(`DROP TRIGGER ${trigger}`).run();
}

export function replaceRows(db: Database, rows: Rows): void {
  db.sql("BEGIN").run();
  for (const [i, { name }] of tables.entries()) {
    db.sql(`DELETE FROM ${name}`).run();
    for (const { columns } of rows[i] ?? []) {
      const names = Object.keys(columns);
      const marks = names.map(() => "?").join(", ");
      db.sql(`INSERT INTO ${name} (${names.join(", ")}) VALUES (${marks})`).run(...Object.values(columns));
    }
  }
  db.sql("COMMIT").run();
}
