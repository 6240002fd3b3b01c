import type { SourceEvent } from "./event.ts";
import type { JobRef } from "./job.ts";
import type { EventStatus, Step, Tail } from "./ledger-entry.ts";
import type { Roster } from "./roster.ts";

/** The stored record of one source event. */
export interface EventRecord {
  readonly status: EventStatus;
  /** µs since the epoch, strictly increasing: the order of first acceptance. */
  readonly accepted: number;
  /** Absent if the body was malformed or has been erased. */
  readonly event?: SourceEvent;
  /** Beginning of a malformed body, for the operator. */
  readonly raw?: string;
  readonly reason?: string;
  /** Sheets of the first run. A redelivery uses the same ones. */
  readonly sheets: readonly { readonly name: string; readonly hash: string }[];
  readonly packets: number;
  /** When the retention period ended and the body was erased (ms), and the redacted names that were kept. */
  readonly erased?: { readonly at: number; readonly source?: string; readonly type?: string };
  /** True while not all of its packets are confirmed to be on their queues. */
  readonly unsent?: boolean;
  /** Versions of its roster files at the time of acceptance. */
  readonly rosters?: readonly Roster[];
  /** Set if a job imported the event for these targets only (`sheet.target`). */
  readonly only?: JobRef & { readonly targets: readonly string[] };
  /** Chunks of a large event that are not expanded yet. */
  readonly chunks?: readonly string[];
  /** When its chunks were last put into the inbox, or one of them was finished. ms */
  readonly chunksAt?: number;
  /** Id of the first inbox message. The same message again is a redelivery; any other is a duplicate. */
  readonly message: string;
  readonly duplicates: number;
  /** Ids of the latest duplicates. One of these messages again is also a redelivery. */
  readonly repeats?: readonly string[];
  readonly step: Step;
  readonly tail: Tail;
}
