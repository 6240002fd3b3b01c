import type { EventRecord } from "../model/event-record.ts";
import type { LanePlace } from "../model/lane.ts";
import type { EventStatus, LedgerEntry, Status } from "../model/ledger-entry.ts";
import type { PacketFilter } from "../model/packet-filter.ts";
import type { PacketRecord } from "../model/packet-record.ts";
import type { Records } from "./records.ts";

export type Kind = keyof Records;

export interface Stored<K extends Kind> {
  readonly value: Records[K];
  /** Number of times the record has been written. */
  readonly etag: number;
}

/** Conditional put. The stored etag must equal `etag` (0: no record may exist); the write increments it. */
export type Put = {
  [K in Kind]: {
    readonly kind: K;
    readonly id: string;
    readonly value: Records[K];
    readonly etag: number;
    /**
     * The event or packet as it was read. Set only to overwrite the body; otherwise the body stays as it was first
     * written.
     */
    readonly erases?: Records[K];
  };
}[Kind];

/** An accepted event for which the places of its packets in strict lanes are kept. */
export interface Reservation {
  /** The event's key. */
  readonly event: string;
  /** Position in the order of acceptance. */
  readonly accepted: number;
}

export interface PacketQuery extends PacketFilter {
  readonly limit: number;
  /** Default: oldest first. */
  readonly newestFirst?: boolean;
  /** A page's `next`. */
  readonly after?: string;
}

export interface EventQuery {
  readonly type?: string;
  /** Time of recording in µs since the epoch: `from` inclusive, `to` exclusive. */
  readonly from?: number;
  readonly to?: number;
  readonly limit: number;
  /** Default: in the order they were recorded. Newest first also includes events that have not settled yet. */
  readonly newestFirst?: boolean;
  /** A found event's `position`. */
  readonly after?: string;
}

export interface FoundEvent {
  readonly key: string;
  readonly position: string;
  readonly value: EventRecord;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Cursor of the next page; absent on the last. A page may have fewer items than the limit, even none. */
  readonly next?: string;
}

export interface Tally {
  readonly events: Readonly<Record<EventStatus, number>> & { readonly duplicates: number };
  readonly packets: Readonly<Record<Status, number>>;
}

/** Storage of records and ledger entries, written together. */
export interface StorePort {
  read<K extends Kind>(kind: K, ids: readonly string[]): Promise<(Stored<K> | undefined)[]>;
  /**
   * Writes all or nothing. `conflict` means that an etag did not match or that an entry's position in its chain is
   * taken: reload and decide again. A repeated write may be `written` again if the store holds exactly its values.
   *
   * @throws {RangeError} if it is too large for one write; see recording/transaction-size.ts
   */
  write(puts: readonly Put[], entries?: readonly LedgerEntry[]): Promise<"written" | "conflict">;

  /**
   * Finds packets in the order they were recorded. The scan for one page is limited, so a selective filter gives pages
   * with few items.
   *
   * @throws {InvalidRequestError} if `after` is not the `next` of a page
   */
  packets(query: PacketQuery): Promise<Page<PacketRecord>>;
  /** Returns a connector's waiting packets (`QUEUED` or `RETRY`) recorded before a time, oldest first. */
  waiting(
    connector: string,
    query: { from?: number; before: number; limit: number; after?: string },
  ): Promise<Page<PacketRecord>>;
  /** Returns a connector's packets that are flagged as unsent, read consistently. */
  unsent(connector: string, limit: number): Promise<Stored<"packet">[]>;
  /** Returns the first places of a strict lane in the order of acceptance, read consistently. */
  lanePlaces(lane: string, limit: number): Promise<LanePlace[]>;
  /**
   * Returns the earliest accepted event that may still create packets for a strict connector, read consistently; see
   * `EventRecord.reserves`.
   */
  reservation(connector: string): Promise<Reservation | undefined>;
  /** Returns events that are flagged as unsent, oldest first. Times of recording are in µs, `to` is exclusive. */
  unsentEvents(query: { from?: number; to: number; limit: number; after?: string }): Promise<Page<FoundEvent>>;
  /**
   * Returns events in the order they were recorded, after a position. No event appears later before one that was
   * returned, so a reader can continue from its last position.
   */
  events(query: EventQuery): Promise<FoundEvent[]>;
  /** Maximum time until an accepted event is returned by `events`, in ms. */
  readonly eventsSettleMs: number;

  /** Returns jobs, newest first: all, or only those that are not finished. */
  jobs(query: { running?: boolean; limit: number }): Promise<Stored<"job">[]>;

  chain(id: string): Promise<LedgerEntry[]>;
  /** Returns the whole ledger, one chain after another, each in order. */
  ledger(query: { after?: string; limit: number }): Promise<Page<LedgerEntry>>;
  tally(): Promise<Tally>;
}
