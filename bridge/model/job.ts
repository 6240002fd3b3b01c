import type { PacketFilter } from "./packet-filter.ts";
import type { FileVersion } from "./roster.ts";

export interface BackfillRequest {
  /** Where the old data is to go: `sheet.target`. */
  readonly targets: readonly string[];
  readonly from: RecordedEvents | Snapshot;
}

/** Events of the store, by time of acceptance, ms since the epoch: from inclusive, to exclusive. */
export interface RecordedEvents {
  readonly kind: "events";
  readonly since: number;
  readonly until: number;
}

export interface BulkRequest {
  /** `release` lets packets go again, `discard` closes them for good. */
  readonly act: "release" | "discard";
  /** Which of the held packets. By time of recording, at the latest when the job began. */
  readonly filter: Omit<PacketFilter, "statuses">;
  /** Of a release: see there. */
  readonly sheet?: "pinned" | "current" | undefined;
  /** Why, for the ledger. */
  readonly reason: string;
}

/** The job that makes packets, and who asked for it. */
export interface JobRef {
  readonly job: string;
  readonly actor: string;
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

export interface ReplayRequest {
  /** By time of recording, ms since the epoch: from inclusive, to exclusive; at the latest when the job began. */
  readonly from: number;
  readonly to: number;
  readonly connector?: string;
  /**
   * `pinned`, if not said: the packets as they were made. `current`: what today's sheets make of their events. Both as
   * far as today's governance lets them go.
   */
  readonly sheet?: "pinned" | "current";
  /** Send even what the target is believed to hold, as after it was restored from a backup. */
  readonly force?: boolean;
}

/** A file with an event a line. */
export interface Snapshot {
  readonly kind: "file";
  readonly file: FileVersion;
  /** RFC 3339: the time of lines that name none. */
  readonly asOf?: string;
}

/** Lines of a snapshot that are no events: how many, and of the first of them the number and the reason. */
export interface Malformed {
  readonly lines: number;
  readonly first: readonly string[];
}
