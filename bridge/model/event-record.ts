import type { SourceEvent } from "./event.ts";
import type { JobRef } from "./job.ts";
import type { EventStatus, Step, Tail } from "./ledger-entry.ts";
import type { Roster } from "./roster.ts";

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
  readonly only?: JobRef & { readonly targets: readonly string[] };
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
