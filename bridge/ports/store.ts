import type { EventRecord } from "../model/event-record.ts";
import type { EventStatus, LedgerEntry, Status } from "../model/ledger-entry.ts";
import type { PacketFilter } from "../model/packet-filter.ts";
import type { PacketRecord } from "../model/packet-record.ts";
import type { Records } from "./records.ts";

export type Kind = keyof Records;

export interface Stored<K extends Kind> {
  readonly value: Records[K];
  /** How often it was written. */
  readonly etag: number;
}

/** One conditional put: it must find this etag, 0 where nothing may be there, and leaves the next. */
export type Put = {
  [K in Kind]: {
    readonly kind: K;
    readonly id: string;
    readonly value: Records[K];
    readonly etag: number;
    /**
     * The record as it was read, if its body is to be written over: the event, the packet. Without it a body stays as
     * it was first written.
     */
    readonly erases?: Records[K];
  };
}[Kind];

export interface PacketQuery extends PacketFilter {
  readonly limit: number;
  /** Oldest first, if not said. */
  readonly newestFirst?: boolean;
  /** A page's `next`. */
  readonly after?: string;
}

export interface EventQuery {
  readonly type?: string;
  /** µs since the epoch, by time of acceptance: from inclusive, to exclusive. */
  readonly from?: number;
  readonly to?: number;
  readonly limit: number;
  /** As recorded, if not said. Newest first nothing is left out that was recorded just now. */
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
  /** Where the next page begins; absent behind the last. A page may have fewer than were asked for, and even none. */
  readonly next?: string;
}

export interface Tally {
  readonly events: Readonly<Record<EventStatus, number>> & { readonly duplicates: number };
  readonly packets: Readonly<Record<Status, number>>;
}

/** The table and the ledger. */
export interface StorePort {
  read<K extends Kind>(kind: K, ids: readonly string[]): Promise<(Stored<K> | undefined)[]>;
  /**
   * Writes all or nothing. `conflict` where any put's etag is not the stored one, or an entry's place in its chain is
   * taken: read again and decide anew.
   *
   * @throws {RangeError} where it is more than one write takes; see writes.ts
   */
  write(puts: readonly Put[], entries?: readonly LedgerEntry[]): Promise<"written" | "conflict">;

  /**
   * By time of recording. So much is looked through for one page, and no more: a filter that little fits gives pages
   * with little in them.
   *
   * @throws {RangeError} where `after` is no page's `next`
   */
  packets(query: PacketQuery): Promise<Page<PacketRecord>>;
  /** A connector's waiting packets (`QUEUED` or `RETRY`) recorded before a time, oldest first. */
  waiting(connector: string, query: { before: number; limit: number; after?: string }): Promise<Page<PacketRecord>>;
  /** A connector's packets recorded as not yet sent to their queue, read consistently. */
  unsent(connector: string, limit: number): Promise<Stored<"packet">[]>;
  /** The oldest open packets of a strict lane, by `strictOrder`; read consistently. */
  laneOpen(lane: string, limit: number): Promise<Stored<"packet">[]>;
  /** Events accepted before a time (µs) whose packets are not all known to be on their queues, oldest first. */
  unsentEvents(before: number, limit: number): Promise<FoundEvent[]>;
  /**
   * Events in the order they were recorded, after a position. No event turns up later before one that was
   * already given, so a reader may go on from the last position it has.
   */
  events(query: EventQuery): Promise<FoundEvent[]>;
  /** How long after its acceptance an event may not be among these yet. ms */
  readonly eventsSettleMs: number;

  /** Jobs, newest first: all, or those that are not over. */
  jobs(query: { running?: boolean; limit: number }): Promise<Stored<"job">[]>;

  chain(id: string): Promise<LedgerEntry[]>;
  /** The whole ledger, a chain after another, each in order. */
  ledger(query: { after?: string; limit: number }): Promise<Page<LedgerEntry>>;
  tally(): Promise<Tally>;
}
