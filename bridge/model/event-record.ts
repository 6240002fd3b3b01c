import type { SourceEvent } from "./event.ts";
import type { JobRef } from "./job.ts";
import type { EventStatus, Step, Tail } from "./ledger-entry.ts";
import type { Roster } from "./roster.ts";

/** The stored record of one source event. */
export interface EventRecord {
  readonly status: EventStatus;
  /** Position in the order of first acceptance; see `Acceptance`. Never a time. */
  readonly accepted: number;
  /** Time of first acceptance in ms since the epoch. Absent in records of earlier releases; see `acceptanceOf`. */
  readonly acceptedAt?: number;
  /** Orders events with the same `accepted`. */
  readonly tie?: string;
  /** Time of recording in ms since the epoch. Absent in records of earlier releases; see `recordedMicrosOf`. */
  readonly recordedAt?: number;
  /** Absent if the body was malformed or has been erased. */
  readonly event?: SourceEvent;
  /** Keyed hash of the event's content. It outlives the body. Absent in records of earlier releases. */
  readonly digest?: string;
  /** Beginning of a malformed body, or of an event with a used id, for the operator. */
  readonly raw?: string;
  readonly reason?: string;
  /** Sheets of the first run. A redelivery uses the same ones. */
  readonly sheets: readonly { readonly name: string; readonly hash: string }[];
  readonly packets: number;
  /** Time the body was erased after the retention period, in ms since the epoch, and the event's source and type. */
  readonly erased?: { readonly at: number; readonly source?: string; readonly type?: string };
  /** True until all its packets are confirmed to be on their queues. */
  readonly unsent?: boolean;
  /** Versions of its roster files at the time of acceptance. */
  readonly rosters?: readonly Roster[];
  /** Set if a job imported the event for these targets only (`sheet.target`). */
  readonly only?: JobRef & { readonly targets: readonly string[] };
  /** Chunks of a large event that are not expanded yet. */
  readonly chunks?: readonly string[];
  /** Strict connectors that may still get packets of this event. Nothing accepted later is sent to them meanwhile. */
  readonly reserves?: readonly string[];
  /** Time its chunks were last enqueued or one of them was last finished, in ms since the epoch. */
  readonly chunksAt?: number;
  /** Failed attempts to resume it, and the time of the next one in ms since the epoch. */
  readonly resume?: { readonly failures: number; readonly at: number };
  /** Id of the first inbox message. A message with this id is a redelivery; any other is a duplicate. */
  readonly message: string;
  readonly duplicates: number;
  /** Message ids of the latest duplicates, to recognize their redeliveries. */
  readonly repeats?: readonly string[];
  readonly step: Step;
  readonly tail: Tail;
}

/** Returns the time at which an event was recorded, in µs since the epoch. Events are listed in this order. */
export function recordedMicrosOf({ accepted, recordedAt }: Pick<EventRecord, "accepted" | "recordedAt">): number {
  return recordedAt === undefined ? accepted : recordedAt * 1_000;
}
