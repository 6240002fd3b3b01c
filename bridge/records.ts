import type { BackfillRequest } from "./backfill.ts";
import type { BulkRequest } from "./bulk.ts";
import type { SourceEvent } from "./event.ts";
import type { Maker } from "./expand.ts";
import type { EventStatus, Status, Step, Tail } from "./ledger.ts";
import type { Packet, Version } from "./pack.ts";
import type { ReplayRequest } from "./replay.ts";
import type { Roster } from "./roster.ts";
import type { SheetDocument } from "./sheet.ts";
import type { Malformed } from "./snapshot.ts";
import type { Json } from "./values/json.ts";

/** What the table keeps of one source event. */
export interface EventRecord {
  readonly status: EventStatus;
  /** µs since the epoch, strictly increasing: the order of first acceptance. */
  readonly accepted: number;
  /** Absent where the body was malformed, or has been erased. */
  readonly event?: SourceEvent;
  /** A malformed body's beginning, for the operator. */
  readonly raw?: string;
  readonly reason?: string;
  /** The sheets of the first run: a redelivery uses the same. */
  readonly sheets: readonly { readonly name: string; readonly hash: string }[];
  readonly packets: number;
  /** When its body was erased, being old (ms), and what of its names is left. */
  readonly erased?: { readonly at: number; readonly source?: string; readonly type?: string };
  /** Not all of its packets are known to be on their queues yet. */
  readonly unsent?: boolean;
  /** Its rosters that stand in files, as they were when it was accepted. */
  readonly rosters?: readonly Roster[];
  /** It was brought for these targets only (`sheet.target`), by a job. */
  readonly only?: Maker & { readonly targets: readonly string[] };
  /** Of a large event: the chunks that are not expanded yet. */
  readonly chunks?: readonly string[];
  /** When its chunks were last put into the inbox, or one of them was done. ms */
  readonly chunksAt?: number;
  /** The inbox message it first came with: that one coming again is a redelivery, another is a duplicate. */
  readonly message: string;
  readonly duplicates: number;
  /** The last messages that were counted as duplicates: one of them coming again is a redelivery too. */
  readonly repeats?: readonly string[];
  readonly step: Step;
  readonly tail: Tail;
}

/** Where an open packet's message is. */
export type Place = "lane" | "outbox" | "behind";

/** What changes of a packet while it is on its way. */
export interface Progress {
  readonly status: Status;
  readonly tail: Tail;
  readonly place: Place;
  readonly tries: number;
  /** Tries since it last came out of the outbox: the back-off's step. */
  readonly round: number;
  /** How often it was put on a queue: part of the deduplication id, because SQS swallows a repeated one for 5 min. */
  readonly puts: number;
  /** When it was last put back on its lane queue. ms */
  readonly putAt?: number;
  /** Recorded outside the mapper and not yet known to be on its queue. */
  readonly unsent?: boolean;
  /**
   * Who is sending it now. A lease that stands when another comes means a send may have begun.
   *
   * `shadow`: its shadow's etag when the lease was taken. Another since: something else went to the record meanwhile.
   */
  readonly lease?: { readonly owner: string; readonly until: number; readonly shadow?: number };
  /** Since when the consistency window counts: recording, or the last re-queueing by a replay. ms */
  readonly queuedAt: number;
  readonly nextTryAt?: number;
  /** First failure while its target was up. ms */
  readonly failingSince?: number;
  /** Why it waits, is held, or ended as it did. */
  readonly reason?: string;
  /** The head it waits for, in a strict lane. */
  readonly behind?: string;
  readonly closedAt?: number;
  /** When its values were erased, being old: its fields are empty since. ms */
  readonly erasedAt?: number;
  readonly delivery?: {
    readonly at?: string;
    readonly status?: number;
    readonly remoteId?: string;
    /** The last try's round trip. */
    readonly ms: number;
  };
  /** The target's answer to a refused packet. */
  readonly answer?: string;
  /** The packet a person has put in its place. */
  readonly replacedBy?: string;
  /** The job that last let it go again. */
  readonly releasedBy?: string;
}

export interface PacketRecord {
  readonly packet: Packet;
  /** ms since the epoch */
  readonly recordedAt: number;
  readonly progress: Progress;
}

/** What the bridge knows a target holds for one entity. */
export interface Shadow {
  /** Per field: the version it was sent with, and its keyed hash; no hash where a send may or may not have landed. */
  readonly fields: Readonly<Record<string, { readonly version: Version; readonly hash?: string }>>;
  /** The entity was deleted at this version. */
  readonly deleted?: Version;
  /** Whether that deletion took place, or still holds, is not known. */
  readonly inDoubt?: boolean;
}

/** How a connector's target is, shared by all processes. */
export interface Health {
  readonly status: "UP" | "DOWN";
  /** ms since the epoch */
  readonly since: number;
  /** The lanes of the last retry outcomes in a row. */
  readonly strikes: readonly string[];
  readonly paused: boolean;
  /** Who paused it, when (ms) and why. */
  readonly pause?: { readonly actor: string; readonly why: string; readonly at: number };
  /** How often all that was believed of its target was forgotten. */
  readonly shadowEpoch?: number;
  readonly probedAt?: number;
  readonly polledAt?: number;
  /** When the outbox is next sent back, and the gap that led there. */
  readonly redriveAt?: number;
  readonly redriveGapMs?: number;
  /** Since when some of its packets are later than their consistency window. ms */
  readonly breachedSince?: number;
  /** The rate its outbox is sent back at just now. */
  readonly redrivePerSecond?: number;
}

/** A sheet's body, by its hash. */
export interface StoredSheet {
  readonly name: string;
  readonly document: SheetDocument;
}

/** How far a named stream was read. */
export interface Cursor {
  /** The `position` of the last event that was read. */
  readonly position: string;
}

export type JobStatus = "RUNNING" | "DONE" | "FAILED" | "CANCELLED";

/** What a job does. */
export type JobWork =
  | { readonly kind: "replay"; readonly request: ReplayRequest }
  | { readonly kind: "bulk"; readonly request: BulkRequest }
  | { readonly kind: "backfill"; readonly request: BackfillRequest };

/** Work over many packets that goes on where it stopped, whichever process does it. */
export type Job = JobWork & JobState;

interface JobState {
  /** `job-` and its beginning in µs, base 36: newer ids sort after older ones. */
  readonly id: string;
  /** Who asked. */
  readonly actor: string;
  /** So many packets a second at most. */
  readonly perSecond?: number;
  readonly status: JobStatus;
  /** ms since the epoch */
  readonly startedAt: number;
  readonly endedAt?: number;
  /** The cursor behind the last page that is done with. */
  readonly after?: string;
  /** Packets, events or lines looked at, and packets made of them. */
  readonly looked: number;
  readonly made: number;
  readonly malformed?: Malformed;
  /** Somebody works on it until then, or it waits until then after a failure. ms */
  readonly leasedUntil?: number;
  /** Pages in a row that failed. */
  readonly failures: number;
  /** Why it failed, or who cancelled it. */
  readonly reason?: string;
}

/** What a connector remembers of its target. */
export interface Remembered {
  readonly value: Json;
}

/** How far the erasing of old values has come. */
export interface Erasing {
  /** When there was last nothing more to erase. ms */
  readonly at: number;
  /** The cursor behind the last page that was looked at. */
  readonly after: { readonly packet?: string; readonly event?: string };
  /** What was looked at, and was not over yet. */
  readonly left: { readonly packet: readonly string[]; readonly event: readonly string[] };
}

/** The newest seal this store knows of; the seals themselves are kept elsewhere. */
export interface RememberedSeal {
  readonly number: number;
  /** SHA-256 of its statement. */
  readonly hash: string;
}

export interface Records {
  event: EventRecord;
  packet: PacketRecord;
  shadow: Shadow;
  health: Health;
  sheet: StoredSheet;
  cursor: Cursor;
  job: Job;
  seal: RememberedSeal;
  memory: Remembered;
  erasing: Erasing;
}
