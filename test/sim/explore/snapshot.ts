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
  readonly done: boolean;
  readonly results: readonly Result[];
  /** Hash of the results. */
  readonly hash: string;
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

type Row = Record<string, string | number | null>;
export type Rows = readonly (readonly Row[])[];

/** All tables of the store. Rows of the ledger are ordered by chain, because only seals depend on the order across chains. */
const tables = [
  { name: "messages", order: "seq" },
  { name: "dedup", order: "seq" },
  { name: "packets", order: "seq" },
  { name: "packet_bodies", order: "seq" },
  { name: "events", order: "seq" },
  { name: "reservations", order: "connector, accepted, event" },
  { name: "documents", order: "id, kind" },
  { name: "ledger", order: "owner, number" },
  { name: "acceptance", order: "id" },
  { name: "sqlite_sequence", order: "name" },
];

export function rowsOf(db: Database): Rows {
  return tables.map(({ name, order }) => db.sql(`SELECT * FROM ${name} ORDER BY ${order}`).all() as Row[]);
}

/** Removes the triggers that protect the ledger, so that its rows can be replaced. */
export function unprotectLedger(db: Database): void {
  for (const trigger of ["ledger_keeps_all", "ledger_keeps_entries"]) db.sql(`DROP TRIGGER ${trigger}`).run();
}

export function replaceRows(db: Database, rows: Rows): void {
  db.sql("BEGIN").run();
  for (const [i, { name }] of tables.entries()) {
    db.sql(`DELETE FROM ${name}`).run();
    for (const row of rows[i] ?? []) {
      // The order of the ledger's rows across chains is not part of a state.
      const columns = Object.keys(row).filter((column) => name !== "ledger" || column !== "seq");
      const values = columns.map((column) => row[column] as string);
      const marks = columns.map(() => "?").join(", ");
      db.sql(`INSERT INTO ${name} (${columns.join(", ")}) VALUES (${marks})`).run(...values);
    }
  }
  db.sql("COMMIT").run();
}
