import type { KeyObject } from "node:crypto";
import type { ComplianceRequest, Ruling } from "./compliance.ts";
import type { Catalog, Http } from "./model/connector.ts";
import type { SourceEvent } from "./model/event.ts";
import type { EventRecord } from "./model/event-record.ts";
import type { EventStatus, LedgerEntry, Status } from "./model/ledger-entry.ts";
import type { PacketFilter } from "./model/packet-filter.ts";
import type { PacketRecord } from "./model/packet-record.ts";
import type { FileVersion } from "./model/roster.ts";
import type { Times } from "./model/timings.ts";
import type { LogLine } from "./observability/log.ts";
import type { Records, RememberedSeal } from "./records.ts";
import type { SheetSet } from "./sheets.ts";

/** Time, injected so that a test can turn it. */
export interface Clock {
  /** ms since the epoch */
  now(): number;
  /** µs since the epoch, strictly increasing in one process. */
  stamp(): number;
  /** Calls once after `ms`; the answer cancels it. */
  after(ms: number, call: () => void): () => void;
  /** Resolves after `ms`, or at once when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Chance, injected so that a run can be repeated. */
export interface Random {
  /** At least 0, below 1. */
  fraction(): number;
  /** A name nobody else has. */
  id(): string;
}

/** A message as it came off a queue. */
export interface Message {
  readonly id: string;
  /** The FIFO group: messages of one group come in order, and wait while one of them is in flight. */
  readonly group: string;
  readonly body: string;
  /** 1 the first time. */
  readonly receiveCount: number;
  /** Names this receipt, for `remove` and `delay`. */
  readonly receipt: string;
}

export interface NewMessage {
  readonly group: string;
  /** The same id within 5 min is swallowed. The inbox, a standard queue, knows none. */
  readonly dedup?: string;
  readonly body: string;
}

/** Where a queue's messages go that could not be worked through: a connector's outbox, or what the inbox gave up. */
export type DeadLetters = "inbox-dead" | `outbox:${string}`;

/** The inbox, a connector's lane queue, or where what they cannot get rid of waits. */
export type QueueName = "inbox" | `lane:${string}` | DeadLetters;

/** The queue that dead letters came from, and go back to. */
export function originOf(from: DeadLetters): QueueName {
  return from === "inbox-dead" ? "inbox" : `lane:${from.slice("outbox:".length)}`;
}

/** Where a message goes that was received this often and never removed. Only a net: giving up is the path's own act. */
export const maxReceives = 30;

/** Messages in one call, and the bytes of UTF-8 of all their bodies. Source: Amazon SQS quotas. */
export const maxMessages = 10;
export const maxCallBytes = 1_048_576;

/**
 * Queues by the contract of Amazon SQS FIFO: `maxMessages` and `maxCallBytes` a call.
 *
 * Source: Amazon SQS Developer Guide, "FIFO queues".
 */
export interface QueuePort {
  /** Resolves when all are stored. @throws where any is not; sending the same again is safe for 5 min */
  send(queue: QueueName, messages: readonly NewMessage[]): Promise<void>;
  /** Up to `max` messages, in order within a group; a group with a message in flight gives none. */
  receive(
    queue: QueueName,
    options: { max: number; visibilityMs: number; waitMs: number; signal?: AbortSignal },
  ): Promise<Message[]>;
  /** Acknowledges. A receipt whose time has run out is ignored. */
  remove(queue: QueueName, receipts: readonly string[]): Promise<void>;
  /** Makes messages visible again after a delay: 0 at once. */
  delay(queue: QueueName, delays: readonly { receipt: string; ms: number }[]): Promise<void>;
  /** Messages waiting and in flight; on AWS approximate. */
  depth(queue: QueueName): Promise<{ waiting: number; inFlight: number }>;
  /**
   * Begins to move all dead letters back to the queue they came from, oldest first, at most `perSecond`.
   * One move at a time; beginning another while one runs changes nothing.
   */
  startMove(from: DeadLetters, perSecond: number): Promise<void>;
  /** Ends a move where it is; resolves when nothing moves any more. Without a move nothing happens. */
  stopMove(from: DeadLetters): Promise<void>;
  isMoving(from: DeadLetters): Promise<boolean>;
}

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

/** The ledger in the order its entries were appended, whatever their chains. */
export interface AppendedPort {
  /**
   * What was appended after a position, about `limit` of it; `""` is the beginning. `to` is the position it leads to,
   * and `after` itself where nothing follows yet. No entry turns up later before a position that was given.
   */
  read(after: string, limit: number): Promise<{ readonly entries: readonly LedgerEntry[]; readonly to: string }>;
  /** How long an entry that is in the ledger may take to show up here. ms */
  readonly settlingMs: number;
}

/** Where seals are kept: outside the store, and each written once. */
export interface SealsPort {
  /** The one with the highest number. */
  last(): Promise<StoredSeal | undefined>;
  /** From a number on, in order; a number that is missing is passed over. */
  from(number: number): AsyncIterable<StoredSeal>;
  /** Resolves when it will survive a crash. `taken` where there is one of that number: it stays as it is. */
  add(number: number, text: string): Promise<"added" | "taken">;
  /** The newest as the store remembers it, so that one that was taken away is missed. Absent where nobody can. */
  remembered?(): Promise<RememberedSeal | undefined>;
}

export interface StoredSeal {
  readonly number: number;
  readonly text: string;
}

export interface SecretsPort {
  /** A connector's secret as stored: a JSON object. `undefined` where there is none. */
  get(connector: string): Promise<unknown>;
  /** Forgets what was cached, so that the next `get` sees a rotated secret. */
  refresh(connector: string): Promise<void>;
}

/** Why a file cannot be read: known at once, and trying again would not help. */
export class FileFault extends Error {
  override readonly name = "FileFault";
  /** For a list or a ledger: the address, which stands in the message, may be called after a person. */
  readonly what: string;

  /** @param fault what is wrong with the file, and what to do: `is not there` */
  constructor(fault: string, address?: string) {
    super(`${address ?? "the file"} ${fault}`);
    this.what = `the file ${fault}`;
  }
}

/** Files at `file:` or `s3:` addresses below the places the bridge may read from, and nowhere else. */
export interface FilesPort {
  /** @throws {FileFault} where it may not be read, or is not there */
  find(address: string): Promise<FileVersion>;
  /**
   * Bytes of just this version, from inclusive, to exclusive, in blocks of any size.
   *
   * @throws {FileFault} where this version is not there any more, even behind its last block
   */
  read(file: FileVersion, part: { readonly from: number; readonly to: number }): AsyncIterable<Uint8Array>;
}

/** The compliance engine outside. */
export interface CompliancePort {
  /** @throws {NotAsked} where no answer came that can be believed */
  ask(request: ComplianceRequest): Promise<Ruling>;
}

/** Everything the path needs of the world. */
export interface Engine {
  readonly clock: Clock;
  readonly random: Random;
  readonly queue: QueuePort;
  /** Publishes events as an HMS service does. Resolves when none will be lost; publishing one again is safe. */
  readonly publish: (events: readonly SourceEvent[]) => Promise<void>;
  readonly store: StorePort;
  readonly secrets: SecretsPort;
  readonly files: FilesPort;
  /** The sheets and the policy in force. */
  readonly sheets: () => SheetSet;
  readonly catalog: Catalog;
  /** A connector's configuration as given; its own schema checks it. */
  readonly configOf: (connector: string) => unknown;
  readonly http: (connector: string, config: unknown) => Http;
  /** Hides entities and values in hashes. 32 bytes, made once and kept. */
  readonly bridgeKey: KeyObject;
  /** Asked besides the policy, where there is one. */
  readonly compliance?: CompliancePort | undefined;
  readonly times: Times;
  readonly log: (line: LogLine) => void;
}
