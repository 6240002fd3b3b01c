import type { SQLInputValue } from "node:sqlite";
import { eventStatuses, isClosed, type LedgerEntry, statuses } from "../../bridge/ledger.ts";
import { strictOrder } from "../../bridge/pack.ts";
import type { FoundEvent, Kind, Page, PacketQuery, Put, Stored, StorePort, Tally } from "../../bridge/ports.ts";
import type { EventRecord, PacketRecord, Progress, Records } from "../../bridge/records.ts";
import type { Database } from "./database.ts";

/** Source: DynamoDB `ExecuteTransaction`, at most 100 statements. */
const maxWrites = 100;

class Conflict extends Error {}

interface PacketRow {
  readonly id: string;
  readonly etag: number;
  readonly recorded_at: number;
  readonly packet: string;
  readonly progress: string;
}

/** The table and the ledger on SQLite. */
export class LocalStore implements StorePort {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async read<K extends Kind>(kind: K, ids: readonly string[]): Promise<(Stored<K> | undefined)[]> {
    return ids.map((id) => this.#readOne(kind, id));
  }

  #readOne<K extends Kind>(kind: K, id: string): Stored<K> | undefined {
    if (kind === "packet") {
      const row = this.#db.sql("SELECT id, etag, recorded_at, packet, progress FROM packets WHERE id = ?").get(id);
      return row && ({ value: packetRecord(row as never), etag: (row as never as PacketRow).etag } as unknown as Stored<K>);
    }
    const row =
      kind === "event"
        ? this.#db.sql("SELECT etag, value FROM events WHERE id = ?").get(id)
        : this.#db.sql("SELECT etag, value FROM documents WHERE kind = ? AND id = ?").get(kind, id);
    return row && { value: JSON.parse(row.value as string) as Records[K], etag: row.etag as number };
  }

  async write(puts: readonly Put[], entries: readonly LedgerEntry[] = []): Promise<"written" | "conflict"> {
    if (puts.length + entries.length > maxWrites) {
      throw new RangeError(`${puts.length + entries.length} changes in one write; the store takes ${maxWrites}`);
    }
    try {
      await this.#db.write(() => {
        for (const put of puts) this.#put(put);
        for (const entry of entries) this.#append(entry);
      });
      return "written";
    } catch (error) {
      if (error instanceof Conflict) return "conflict";
      throw error;
    }
  }

  #put(put: Put): void {
    const changes = put.etag === 0 ? this.#insert(put) : this.#update(put);
    if (changes === 0) throw new Conflict();
  }

  #insert(put: Put): number | bigint {
    switch (put.kind) {
      case "packet":
        return this.#run(
          `INSERT OR IGNORE INTO packets
           (id, etag, connector, status, recorded_at, unsent, strict_lane, strict_order, packet, progress)
           VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?, ?)`,
          put.id,
          put.value.packet.connector,
          put.value.progress.status,
          put.value.recordedAt,
          put.value.progress.unsent ? 1 : null,
          openStrictLane(put.value),
          strictOrder(put.value.packet),
          JSON.stringify(put.value.packet),
          JSON.stringify(put.value.progress),
        );
      case "event":
        return this.#run(
          `INSERT OR IGNORE INTO events (id, etag, status, unsent, type, accepted, duplicates, value)
           VALUES (?, 1, ?, ?, ?, ?, ?, ?)`,
          put.id,
          put.value.status,
          put.value.unsent ? 1 : null,
          put.value.event?.type ?? null,
          put.value.accepted,
          put.value.duplicates,
          JSON.stringify(put.value),
        );
      default:
        return this.#run(
          "INSERT OR IGNORE INTO documents (kind, id, etag, value) VALUES (?, ?, 1, ?)",
          put.kind,
          put.id,
          JSON.stringify(put.value),
        );
    }
  }

  #update(put: Put): number | bigint {
    switch (put.kind) {
      case "packet": {
        const { progress } = put.value;
        const shown = [progress.status, progress.unsent ? 1 : null, openStrictLane(put.value)];
        const text = JSON.stringify(progress);
        // A claim changes nothing an index knows; naming the indexed columns would have SQLite write them all again.
        const same = this.#run(
          `UPDATE packets SET etag = etag + 1, progress = ?
           WHERE id = ? AND etag = ? AND status = ? AND unsent IS ? AND strict_lane IS ?`,
          text,
          put.id,
          put.etag,
          ...shown,
        );
        return (
          same ||
          this.#run(
            "UPDATE packets SET etag = etag + 1, status = ?, unsent = ?, strict_lane = ?, progress = ? WHERE id = ? AND etag = ?",
            ...shown,
            text,
            put.id,
            put.etag,
          )
        );
      }
      case "event":
        return this.#run(
          "UPDATE events SET etag = etag + 1, status = ?, unsent = ?, duplicates = ?, value = ? WHERE id = ? AND etag = ?",
          put.value.status,
          put.value.unsent ? 1 : null,
          put.value.duplicates,
          JSON.stringify(put.value),
          put.id,
          put.etag,
        );
      default:
        return this.#run(
          "UPDATE documents SET etag = etag + 1, value = ? WHERE kind = ? AND id = ? AND etag = ?",
          JSON.stringify(put.value),
          put.kind,
          put.id,
          put.etag,
        );
    }
  }

  #run(sql: string, ...values: SQLInputValue[]): number | bigint {
    return this.#db.sql(sql).run(...values).changes;
  }

  #append(entry: LedgerEntry): void {
    const changes = this.#run(
      "INSERT OR IGNORE INTO ledger (chain, seq, entry) VALUES (?, ?, ?)",
      entry.chain,
      entry.seq,
      JSON.stringify(entry),
    );
    if (changes === 0) throw new Conflict();
  }

  async packets({ connector, statuses: wanted, from = 0, to = Number.MAX_SAFE_INTEGER, limit, after }: PacketQuery): Promise<Page<PacketRecord>> {
    const start = after ? cursorIn(after) : { at: from, id: "" };
    const filters = [
      ...(connector === undefined ? [] : ["connector = :connector"]),
      ...(wanted === undefined ? [] : [`status IN (${wanted.map((_, i) => `:status${i}`).join(", ")})`]),
    ];
    const rows = this.#db
      .sql(
        `SELECT id, etag, recorded_at, packet, progress FROM packets
         WHERE (recorded_at, id) > (:at, :id) AND recorded_at < :to ${filters.map((filter) => `AND ${filter}`).join(" ")}
         ORDER BY recorded_at, id LIMIT :limit`,
      )
      .all({
        ...start,
        to,
        limit,
        ...(connector !== undefined && { connector }),
        ...Object.fromEntries((wanted ?? []).map((status, i) => [`status${i}`, status])),
      });
    return pageOf(rows as never, limit);
  }

  async waiting(connector: string, { before, limit, after }: { before: number; limit: number; after?: string }): Promise<Page<PacketRecord>> {
    const rows = this.#db
      .sql(
        `SELECT id, etag, recorded_at, packet, progress FROM packets
         WHERE connector = :connector AND status IN ('QUEUED', 'RETRY') AND (recorded_at, id) > (:at, :id) AND recorded_at < :before
         ORDER BY recorded_at, id LIMIT :limit`,
      )
      .all({ connector, before, limit, ...(after ? cursorIn(after) : { at: 0, id: "" }) });
    return pageOf(rows as never, limit);
  }

  async unsent(connector: string, limit: number): Promise<Stored<"packet">[]> {
    return this.#db
      .sql("SELECT id, etag, recorded_at, packet, progress FROM packets WHERE connector = ? AND unsent = 1 LIMIT ?")
      .all(connector, limit)
      .map((row) => storedPacket(row as never));
  }

  async laneOpen(lane: string, limit: number): Promise<Stored<"packet">[]> {
    return this.#db
      .sql(
        `SELECT id, etag, recorded_at, packet, progress FROM packets
         WHERE strict_lane = ? ORDER BY strict_order, recorded_at, id LIMIT ?`,
      )
      .all(lane, limit)
      .map((row) => storedPacket(row as never));
  }

  async unsentEvents(before: number, limit: number): Promise<FoundEvent[]> {
    return this.#db
      .sql("SELECT seq, id, value FROM events WHERE unsent = 1 AND accepted < ? ORDER BY accepted LIMIT ?")
      .all(before, limit)
      .map(foundEvent);
  }

  async events({ type, after = "0", limit }: { type?: string; after?: string; limit: number }): Promise<FoundEvent[]> {
    const rows =
      type === undefined
        ? this.#db.sql("SELECT seq, id, value FROM events WHERE seq > ? ORDER BY seq LIMIT ?").all(Number(after), limit)
        : this.#db
            .sql("SELECT seq, id, value FROM events WHERE type = ? AND seq > ? ORDER BY seq LIMIT ?")
            .all(type, Number(after), limit);
    return rows.map(foundEvent);
  }

  /** µs of the last acceptance: a clock set back must not make a later event look older. */
  lastAccepted(): number {
    return (this.#db.sql("SELECT max(accepted) AS at FROM events").get()?.at as number | null) ?? 0;
  }

  async chain(id: string): Promise<LedgerEntry[]> {
    return this.#db
      .sql("SELECT entry FROM ledger WHERE chain = ? ORDER BY seq")
      .all(id)
      .map((row) => JSON.parse(row.entry as string) as LedgerEntry);
  }

  async ledger({ after, limit }: { after?: string; limit: number }): Promise<Page<LedgerEntry>> {
    const [chain, seq] = after ? (JSON.parse(after) as [string, number]) : ["", 0];
    const items = this.#db
      .sql("SELECT entry FROM ledger WHERE (chain, seq) > (?, ?) ORDER BY chain, seq LIMIT ?")
      .all(chain, seq, limit)
      .map((row) => JSON.parse(row.entry as string) as LedgerEntry);
    const last = items.at(-1);
    return { items, ...(last && items.length === limit && { next: JSON.stringify([last.chain, last.seq]) }) };
  }

  async tally(): Promise<Tally> {
    const events = this.#db.sql("SELECT status, count(*) AS n FROM events GROUP BY status").all();
    const packets = this.#db.sql("SELECT status, count(*) AS n FROM packets GROUP BY status").all();
    const { duplicates } = this.#db.sql("SELECT coalesce(sum(duplicates), 0) AS duplicates FROM events").get() as {
      duplicates: number;
    };
    return { events: { ...counted(eventStatuses, events), duplicates }, packets: counted(statuses, packets) };
  }
}

function counted<S extends string>(names: readonly S[], rows: readonly Record<string, unknown>[]): Record<S, number> {
  const counts = new Map(rows.map((row) => [row.status as string, row.n as number]));
  return Object.fromEntries(names.map((name) => [name, counts.get(name) ?? 0])) as Record<S, number>;
}

/** Only open packets of a strict connector stand in their lane's index. */
function openStrictLane({ packet, progress }: PacketRecord): string | null {
  return packet.order === "strict" && !isClosed(progress.status) ? packet.lane : null;
}

function packetRecord(row: PacketRow): PacketRecord {
  return {
    packet: JSON.parse(row.packet) as PacketRecord["packet"],
    recordedAt: row.recorded_at,
    progress: JSON.parse(row.progress) as Progress,
  };
}

function storedPacket(row: PacketRow): Stored<"packet"> {
  return { value: packetRecord(row), etag: row.etag };
}

function foundEvent(row: Record<string, unknown>): FoundEvent {
  return { key: row.id as string, position: String(row.seq), value: JSON.parse(row.value as string) as EventRecord };
}

function cursorIn(after: string): { at: number; id: string } {
  const [at, id] = JSON.parse(after) as [number, string];
  return { at, id };
}

function pageOf(rows: readonly PacketRow[], limit: number): Page<PacketRecord> {
  const last = rows.at(-1);
  return {
    items: rows.map(packetRecord),
    ...(last && rows.length === limit && { next: JSON.stringify([last.recorded_at, last.id]) }),
  };
}
