import type { SourceEvent } from "../../bridge/model/event.ts";
import { type EventRecord, recordedMicrosOf } from "../../bridge/model/event-record.ts";
import type { Job } from "../../bridge/model/job.ts";
import { type LanePlace, placeOf } from "../../bridge/model/lane.ts";
import { eventStatuses, isClosed, type LedgerEntry, type Status, statuses } from "../../bridge/model/ledger-entry.ts";
import type { Packet } from "../../bridge/model/packet.ts";
import { packetPredicate } from "../../bridge/model/packet-filter.ts";
import type { PacketRecord, Progress } from "../../bridge/model/packet-record.ts";
import type { Records } from "../../bridge/ports/records.ts";
import type { AppendedPort } from "../../bridge/ports/seals.ts";
import type {
  EventQuery,
  FoundEvent,
  Kind,
  PacketQuery,
  Page,
  Put,
  Reservation,
  Stored,
  StorePort,
  Tally,
} from "../../bridge/ports/store.ts";
import { checkWeight } from "../../bridge/recording/transaction-size.ts";
import { InvalidRequestError } from "../../bridge/values/bridge-error.ts";
import { bodyText } from "../../bridge/values/json.ts";
import type { Database } from "./database.ts";
import type { LedgerRow, RowPut } from "./write-operations.ts";

const selectPacket = `SELECT seq, etag, recorded_at, progress, packet FROM packets JOIN packet_bodies USING (seq)`;

const invalidCursor = "the cursor is not from this list; omit it to start from the beginning";

interface PacketRow {
  readonly seq: number;
  readonly etag: number;
  readonly recorded_at: number;
  readonly packet: string;
  readonly progress: string;
}

/** Maximum numbers of rows scanned and bodies read for one page of packets, which takes about 10 ms. */
const maxRowsScanned = 20_000;
const maxBodiesRead = 1_000;

/** Maximum number of open packets in the memory cache: about 30 MB. */
const maxBodiesCached = 20_000;

/** The packets table and the ledger on SQLite. */
export class LocalStore implements StorePort {
  readonly eventsSettleMs = 0;
  readonly #db: Database;
  /** Open packets that this process has recorded, oldest first. They never change, so only their progress is reread. */
  readonly #bodies = new Map<string, Packet>();

  constructor(db: Database) {
    this.#db = db;
  }

  async read<K extends Kind>(kind: K, ids: readonly string[]): Promise<(Stored<K> | undefined)[]> {
    const read = () => ids.map((id) => this.#readOne(kind, id));
    return ids.length > 1 ? this.#db.snapshot(read) : read();
  }

  #readOne<K extends Kind>(kind: K, id: string): Stored<K> | undefined {
    if (kind === "packet") return this.#readPacket(id) as Stored<K> | undefined;
    if (kind === "event") {
      const row = this.#db.sql("SELECT etag, value, event FROM events WHERE id = ?").get(id);
      return row && { value: eventRecord(row) as Records[K], etag: row.etag as number };
    }
    const row = this.#db.sql("SELECT etag, value FROM documents WHERE kind = ? AND id = ?").get(kind, id);
    return row && { value: JSON.parse(row.value as string) as Records[K], etag: row.etag as number };
  }

  #readPacket(id: string): Stored<"packet"> | undefined {
    const packet = this.#bodies.get(id);
    if (!packet) {
      const row = this.#db.sql(`${selectPacket} WHERE id = ?`).get(id);
      return row && storedPacket(row as never);
    }
    const row = this.#db.sql("SELECT etag, recorded_at, progress FROM packets WHERE id = ?").get(id);
    return row && { value: packetRecord(row as never, packet), etag: row.etag as number };
  }

  async write(puts: readonly Put[], entries: readonly LedgerEntry[] = []): Promise<"written" | "conflict"> {
    checkWeight(puts, entries);
    const written = await this.#db.write({ op: "put", puts: puts.map(rowPut), entries: entries.map(ledgerRow) });
    if (!written.done) return "conflict";
    for (const put of puts) if (put.kind === "packet") this.#cacheBody(put);
    return "written";
  }

  #cacheBody({ value: { packet, progress }, etag, erases }: Extract<Put, { kind: "packet" }>): void {
    if (isClosed(progress.status) || erases) this.#bodies.delete(packet.id);
    else if (etag === 0) this.#bodies.set(packet.id, packet);
    for (const oldest of this.#bodies.keys()) {
      if (this.#bodies.size <= maxBodiesCached) break;
      this.#bodies.delete(oldest);
    }
  }

  #ownerOf(chain: string): number | undefined {
    return chain.startsWith("pkt-")
      ? (this.#db.sql("SELECT seq * 2 AS owner FROM packets WHERE id = ?").get(chain)?.owner as number | undefined)
      : (this.#db.sql("SELECT seq * 2 + 1 AS owner FROM events WHERE id = ?").get(chain)?.owner as number | undefined);
  }

  async packets(query: PacketQuery): Promise<Page<PacketRecord>> {
    const { connector, statuses: wanted, from = 0, to = Number.MAX_SAFE_INTEGER, limit, newestFirst, after } = query;
    const [beyond, notBeyond, order] = newestFirst ? ["<", ">=", "DESC"] : [">", "<=", "ASC"];
    const window = [
      "recorded_at >= :from AND recorded_at < :to",
      ...(after === undefined ? [] : [`(recorded_at, packets.seq) ${beyond} (:at, :seq)`]),
    ];
    const bounds = { from, to, ...(after !== undefined && cursorIn(after)) };
    // Held packets have their own index. Any other query scans a limited number of rows for each page.
    const isHeld = wanted?.length === 1 && wanted[0] === "HELD";
    const end = isHeld ? undefined : this.#rowAfter(maxRowsScanned, window, order, bounds);
    const filters = [
      ...window,
      ...(end === undefined ? [] : [`(recorded_at, packets.seq) ${notBeyond} (:endAt, :endSeq)`]),
      ...(connector === undefined ? [] : ["connector = :connector"]),
      // Literals instead of parameters, so that SQLite can use the partial index of held packets.
      ...(wanted === undefined ? [] : [isHeld ? "status = 'HELD'" : `status IN (${wanted.map(quoted).join(", ")})`]),
    ];
    const fits = packetPredicate(query);
    const maxRows = fits ? maxBodiesRead : limit;
    const rows = this.#db
      .sql(
        `${selectPacket} WHERE ${filters.join(" AND ")} ORDER BY recorded_at ${order}, packets.seq ${order} LIMIT :limit`,
      )
      .all({
        ...bounds,
        limit: maxRows,
        ...(end && { endAt: end.at, endSeq: end.seq }),
        ...(connector !== undefined && { connector }),
      }) as unknown as PacketRow[];
    return pageOf(rows, { limit, maxRows, end, fits });
  }

  /** Returns the position of the row number `count` in a window, or `undefined` if the window has fewer rows. */
  #rowAfter(count: number, window: readonly string[], order: string, bounds: object): RowPosition | undefined {
    const row = this.#db
      .sql(
        `SELECT recorded_at, seq FROM packets WHERE ${window.join(" AND ")} ORDER BY recorded_at ${order}, seq ${order}
         LIMIT 1 OFFSET ${count - 1}`,
      )
      .get({ ...bounds });
    return row && { at: row.recorded_at as number, seq: row.seq as number };
  }

  async waiting(
    connector: string,
    { from = 0, before, limit, after }: { from?: number; before: number; limit: number; after?: string },
  ): Promise<Page<PacketRecord>> {
    const rows = this.#db
      .sql(
        `${selectPacket} WHERE connector = :connector AND status IN ('QUEUED', 'RETRY')
         AND (recorded_at, packets.seq) > (:at, :seq) AND recorded_at < :before ORDER BY recorded_at, packets.seq LIMIT :limit`,
      )
      .all({ connector, before, limit, ...(after ? cursorIn(after) : { at: from, seq: 0 }) });
    return pageOf(rows as never, { limit, maxRows: limit });
  }

  async unsent(connector: string, limit: number): Promise<Stored<"packet">[]> {
    return this.#db
      .sql(`${selectPacket} WHERE connector = ? AND unsent = 1 LIMIT ?`)
      .all(connector, limit)
      .map((row) => storedPacket(row as never));
  }

  async lanePlaces(lane: string, limit: number): Promise<LanePlace[]> {
    return this.#db
      .sql(
        `SELECT id, strict_order, strict_source, strict_sequence, strict_epoch FROM packets
         WHERE strict_lane = ? ORDER BY strict_order, seq LIMIT ?`,
      )
      .all(lane, limit)
      .map((row) => ({
        id: row.id as string,
        accepted: row.strict_order as number,
        source: row.strict_source as string,
        ...(row.strict_sequence !== null && { sequence: row.strict_sequence as number }),
        ...(row.strict_epoch !== null && { epoch: row.strict_epoch as number }),
      }));
  }

  async reservation(connector: string): Promise<Reservation | undefined> {
    return this.#db
      .sql("SELECT event, accepted FROM reservations WHERE connector = ? ORDER BY accepted, event LIMIT 1")
      .get(connector) as Reservation | undefined;
  }

  async unsentEvents({
    from = 0,
    to,
    limit,
    after,
  }: {
    from?: number;
    to: number;
    limit: number;
    after?: string;
  }): Promise<Page<FoundEvent>> {
    const rows = this.#db
      .sql(
        `SELECT seq, recorded, id, value, event FROM events WHERE unsent = 1 AND recorded >= :from AND recorded < :to
         AND (recorded, seq) > (:at, :seq) ORDER BY recorded, seq LIMIT :limit`,
      )
      .all({ from, to, limit, ...(after ? cursorIn(after) : { at: 0, seq: 0 }) });
    const last = rows.at(-1);
    const next =
      last && rows.length === limit ? cursorOf({ at: last.recorded as number, seq: last.seq as number }) : "";
    return { items: rows.map(foundEvent), ...(next !== "" && { next }) };
  }

  async events({ type, from, to, after, limit, newestFirst }: EventQuery): Promise<FoundEvent[]> {
    if (after !== undefined && !/^\d{1,15}$/.test(after)) throw new InvalidRequestError(invalidCursor);
    const filters = [
      newestFirst ? "seq < :after" : "seq > :after",
      ...(type === undefined ? [] : ["type = :type"]),
      ...(from === undefined ? [] : ["recorded >= :from"]),
      ...(to === undefined ? [] : ["recorded < :to"]),
    ];
    return this.#db
      .sql(
        `SELECT seq, id, value, event FROM events WHERE ${filters.join(" AND ")} ORDER BY seq ${newestFirst ? "DESC" : ""} LIMIT :limit`,
      )
      .all({
        after: Number(after ?? (newestFirst ? Number.MAX_SAFE_INTEGER : 0)),
        limit,
        ...(type !== undefined && { type }),
        ...(from !== undefined && { from }),
        ...(to !== undefined && { to }),
      })
      .map(foundEvent);
  }

  async jobs({ running = false, limit }: { running?: boolean; limit: number }): Promise<Stored<"job">[]> {
    return this.#db
      .sql(
        `SELECT etag, value FROM documents WHERE kind = 'job' ${running ? "AND value ->> 'status' = 'RUNNING'" : ""}
         ORDER BY id DESC LIMIT ?`,
      )
      .all(limit)
      .map(({ etag, value }) => ({ etag: etag as number, value: JSON.parse(value as string) as Job }));
  }

  /** Returns the last position given in the order of acceptance. */
  lastAccepted(): number {
    return this.#db.sql("SELECT last FROM acceptance").get()?.last as number;
  }

  async chain(id: string): Promise<LedgerEntry[]> {
    const owner = this.#ownerOf(id);
    if (owner === undefined) return [];
    return this.#db
      .sql("SELECT owner, number, entry FROM ledger WHERE owner = ? ORDER BY number")
      .all(owner)
      .map((row) => this.#entryIn(row));
  }

  async ledger({ after, limit }: { after?: string; limit: number }): Promise<Page<LedgerEntry>> {
    // Yields between pages, so that deliveries continue while the ledger is verified.
    await new Promise(setImmediate);
    const [owner, number] = after ? (JSON.parse(after) as [number, number]) : [0, 0];
    const rows = this.#db
      .sql("SELECT owner, number, entry FROM ledger WHERE (owner, number) > (?, ?) ORDER BY owner, number LIMIT ?")
      .all(owner, number, limit);
    const last = rows.at(-1);
    return {
      items: rows.map((row) => this.#entryIn(row)),
      ...(last && rows.length === limit && { next: JSON.stringify([last.owner, last.number]) }),
    };
  }

  /** Entries in the order in which they were appended. One process writes at a time, and row numbers increase by one. */
  readonly appended: AppendedPort = {
    settlingMs: 0,
    read: async (after, limit) => {
      // Yields between pages, so that deliveries continue while entries are sealed.
      await new Promise(setImmediate);
      const rows = this.#db
        .sql("SELECT seq, owner, number, entry FROM ledger WHERE seq > ? ORDER BY seq LIMIT ?")
        .all(Number(after), limit);
      const last = rows.at(-1);
      return { entries: rows.map((row) => this.#entryIn(row)), to: last ? String(last.seq) : after };
    },
    lastBefore: async (position) => {
      const row = this.#db.sql("SELECT seq, owner, number, entry FROM ledger WHERE seq = ?").get(Number(position));
      return row && this.#entryIn(row);
    },
  };

  /**
   * Parses a row's entry. A text that is not an entry was tampered with. It becomes an entry with empty hashes, so that
   * verification reports its position.
   */
  #entryIn({ owner, number, entry }: Record<string, unknown>): LedgerEntry {
    try {
      const read = JSON.parse(entry as string) as LedgerEntry | null;
      if (typeof read?.chain === "string" && typeof read.hash === "string") return read;
    } catch {
      // Not JSON; replaced below.
    }
    const half = Math.floor((owner as number) / 2);
    const records = (owner as number) % 2 === 0 ? "packets" : "events";
    const chain = (this.#db.sql(`SELECT id FROM ${records} WHERE seq = ?`).get(half)?.id ?? `owner ${owner}`) as string;
    return { chain, seq: number as number, at: 0, step: "QUEUED", facts: {}, prev: "", hash: "" };
  }

  async tally(): Promise<Tally> {
    return this.#db.snapshot(() => {
      const events = this.#db
        .sql("SELECT status, count(*) AS n, sum(duplicates) AS duplicates FROM events GROUP BY status")
        .all();
      const packets = this.#db.sql("SELECT status, count(*) AS n FROM packets GROUP BY status").all();
      const duplicates = events.reduce((sum, row) => sum + (row.duplicates as number), 0);
      return { events: { ...counted(eventStatuses, events), duplicates }, packets: counted(statuses, packets) };
    });
  }
}

function counted<S extends string>(names: readonly S[], rows: readonly Record<string, unknown>[]): Record<S, number> {
  const counts = new Map(rows.map((row) => [row.status as string, row.n as number]));
  return Object.fromEntries(names.map((name) => [name, counts.get(name) ?? 0])) as Record<S, number>;
}

function rowPut(put: Put): RowPut {
  const { etag, id } = put;
  switch (put.kind) {
    case "packet": {
      const { packet, progress, recordedAt } = put.value;
      const row = {
        id,
        connector: packet.connector,
        status: progress.status,
        recordedAt,
        unsent: progress.unsent ? 1 : null,
        strictLane: openStrictLane(packet, progress),
        ...strictColumns(packet),
        progress: JSON.stringify(progress),
        // Written once: a packet never changes, until it is erased.
        packet: etag === 0 || put.erases ? bodyText(packet) : "",
      };
      return { kind: "packet", etag, row, erase: put.erases !== undefined };
    }
    case "event": {
      const { event, ...value } = put.value;
      const row = {
        id,
        status: value.status,
        unsent: value.unsent ? 1 : null,
        type: event?.type ?? null,
        recorded: recordedMicrosOf(value),
        duplicates: value.duplicates,
        value: JSON.stringify(value),
        accepted: value.accepted,
        reserves: value.reserves ?? [],
        // Written once: an event never changes, until it is erased.
        event: etag === 0 && event ? bodyText(event) : null,
      };
      return { kind: "event", etag, row, erase: put.erases !== undefined };
    }
    default:
      return { kind: "document", etag, name: put.kind, id, value: JSON.stringify(put.value) };
  }
}

function ledgerRow(entry: LedgerEntry): LedgerRow {
  return { chain: entry.chain, number: entry.seq, entry: JSON.stringify(entry) };
}

/** Returns the lane of a packet that has a place in it, or `null`, which keeps the packet out of the lane's index. */
function openStrictLane({ order, lane }: Packet, { status, late }: Progress): string | null {
  return order === "strict" && !isClosed(status) && !late ? lane : null;
}

function strictColumns(packet: Packet) {
  if (packet.order !== "strict") {
    return { strictOrder: null, strictSource: null, strictSequence: null, strictEpoch: null };
  }
  const { accepted, source, sequence = null, epoch = null } = placeOf(packet);
  return { strictOrder: accepted, strictSource: source, strictSequence: sequence, strictEpoch: epoch };
}

function packetRecord(row: PacketRow, packet = JSON.parse(row.packet) as Packet): PacketRecord {
  return {
    packet,
    recordedAt: row.recorded_at,
    progress: JSON.parse(row.progress) as Progress,
  };
}

function storedPacket(row: PacketRow): Stored<"packet"> {
  return { value: packetRecord(row), etag: row.etag };
}

function eventRecord(row: Record<string, unknown>): EventRecord {
  const value = JSON.parse(row.value as string) as EventRecord;
  return row.event === null ? value : { ...value, event: JSON.parse(row.event as string) as SourceEvent };
}

function foundEvent(row: Record<string, unknown>): FoundEvent {
  return { key: row.id as string, position: String(row.seq), value: eventRecord(row) };
}

/** Position of a row in order of time. */
interface RowPosition {
  /** ms since the epoch, of an event µs */
  readonly at: number;
  readonly seq: number;
}

/** @throws {InvalidRequestError} if `after` is not a page's `next` */
function cursorIn(after: string): RowPosition {
  const [, at, seq] = /^\[(\d{1,16}),(\d{1,16})\]$/.exec(after) ?? [];
  if (at === undefined || seq === undefined) throw new InvalidRequestError(invalidCursor);
  return { at: Number(at), seq: Number(seq) };
}

function cursorOf({ at, seq }: RowPosition): string {
  return JSON.stringify([at, seq]);
}

function positionOf({ recorded_at: at, seq }: PacketRow): RowPosition {
  return { at, seq };
}

interface PageOf {
  readonly limit: number;
  /** Limit of the query that returned the rows. */
  readonly maxRows: number;
  /** Position where the scan ended, if there are rows after it. */
  readonly end?: RowPosition | undefined;
  readonly fits?: ((record: PacketRecord) => boolean) | undefined;
}

function pageOf(rows: readonly PacketRow[], { limit, maxRows, end, fits = () => true }: PageOf): Page<PacketRecord> {
  const items: PacketRecord[] = [];
  for (const row of rows) {
    const record = packetRecord(row);
    if (!fits(record)) continue;
    items.push(record);
    if (items.length === limit) return { items, next: cursorOf(positionOf(row)) };
  }
  const last = rows.at(-1);
  const next = last && rows.length === maxRows ? positionOf(last) : end;
  return { items, ...(next && { next: cursorOf(next) }) };
}

function quoted(status: Status): string {
  return `'${status}'`;
}
