import type { PacketFilter } from "./packet-filter.ts";
import type { FileVersion } from "./roster.ts";

/** Request to send old data to chosen targets. */
export interface BackfillRequest {
  /** Targets that get the data: `sheet.target`. */
  readonly targets: readonly string[];
  readonly from: RecordedEvents | Snapshot;
}

/** Events in the store, by time of acceptance in ms since the epoch. `since` is inclusive, `until` exclusive. */
export interface RecordedEvents {
  readonly kind: "events";
  readonly since: number;
  readonly until: number;
}

/** Request to release or discard many held packets. */
export interface BulkRequest {
  /** `release` sends packets again; `discard` closes them permanently. */
  readonly act: "release" | "discard";
  /** Selects the held packets. Only packets recorded before the job began are included. */
  readonly filter: Omit<PacketFilter, "statuses">;
  /** Sheets for a release: `pinned` (the default), from which the packets were created, or `current`. */
  readonly sheet?: "pinned" | "current" | undefined;
  /** Reason, recorded in the ledger. */
  readonly reason: string;
}

/** A job that creates packets, and the operator who started it. */
export interface JobRef {
  readonly job: string;
  readonly actor: string;
}

export type JobStatus = "RUNNING" | "DONE" | "FAILED" | "CANCELLED";

/** Kind of a job and its request. */
export type JobWork =
  | { readonly kind: "replay"; readonly request: ReplayRequest }
  | { readonly kind: "bulk"; readonly request: BulkRequest }
  | { readonly kind: "backfill"; readonly request: BackfillRequest };

/** Long work over many packets. Any process can resume it at its last checkpoint. */
export type Job = JobWork & JobState;

interface JobState {
  /** `job-` and the start time in µs, in base 36, so that newer ids sort after older ones. */
  readonly id: string;
  /** The operator who started it. */
  readonly actor: string;
  /** Maximum number of packets per second. */
  readonly perSecond?: number;
  readonly status: JobStatus;
  /** Start time in ms since the epoch. */
  readonly startedAt: number;
  readonly endedAt?: number;
  /** Cursor after the last finished page. */
  readonly after?: string;
  /** Number of packets, events or lines scanned, and number of packets created or changed. */
  readonly looked: number;
  readonly made: number;
  readonly malformed?: Malformed;
  /** End of the lease of the process that runs the job, or of the wait before the next page, in ms since the epoch. */
  readonly leasedUntil?: number;
  /** Time at which it was leased, in ms since the epoch. */
  readonly leasedAt?: number;
  /** End of its last turn, in ms since the epoch. */
  readonly turnAt?: number;
  /** Number of consecutive failed pages. */
  readonly failures: number;
  /** Reason of the failure, or the actor who cancelled the job. */
  readonly reason?: string;
}

/** Request to send the packets of a past period again. */
export interface ReplayRequest {
  /** Time of recording in ms since the epoch. `from` is inclusive, `to` exclusive and no later than the job's start. */
  readonly from: number;
  readonly to: number;
  readonly connector?: string;
  /**
   * `pinned` (the default) sends the packets as they were created. `current` maps their events with the current sheets.
   * The current policy applies to both.
   */
  readonly sheet?: "pinned" | "current";
  /** Also sends values that the target is believed to hold, as after a restore from a backup. */
  readonly force?: boolean;
}

/** A file with one event per line. */
export interface Snapshot {
  readonly kind: "file";
  readonly file: FileVersion;
  /** Time to use for lines that have none (RFC 3339). */
  readonly asOf?: string;
}

/** Invalid lines of a snapshot: their count, and the first ones with line number and reason. */
export interface Malformed {
  readonly lines: number;
  readonly first: readonly string[];
}
