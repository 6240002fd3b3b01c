import type { EventRecord } from "../model/event-record.ts";
import type { Job } from "../model/job.ts";
import type { LaneProgress } from "../model/lane.ts";
import type { PacketRecord } from "../model/packet-record.ts";
import type { Shadow } from "../model/shadow.ts";
import type { SheetDocument } from "../model/sheet-document.ts";
import type { Health } from "../model/target-health.ts";
import type { Json } from "../values/json.ts";

/** One version of a sheet, stored under its hash. */
export interface StoredSheet {
  readonly name: string;
  readonly document: SheetDocument;
}

/** Read position in a named stream. */
export interface Cursor {
  /** The `position` of the last event that was read. */
  readonly position: string;
}

/** Ids of all connectors that have been installed with this store. */
export interface KnownConnectors {
  readonly ids: readonly string[];
}

/** Confirmed restarts of a source's sequence, in ms since the epoch, in order. */
export interface SequenceOrder {
  readonly restarts: readonly number[];
}

/** State that a connector keeps between calls to its target. */
export interface StoredState {
  readonly value: Json;
}

/** State of payload retention between two runs. */
export interface RetentionState {
  /** Time of the last run that reached the end, in ms since the epoch. */
  readonly at: number;
  /** Cursors after the last page that was scanned. */
  readonly after: { readonly packet?: string; readonly event?: string };
  /** Records that were scanned but were still open. */
  readonly left: { readonly packet: readonly string[]; readonly event: readonly string[] };
}

/** The newest seal known to this store. The seals themselves are kept elsewhere. */
export interface RememberedSeal {
  readonly number: number;
  /** SHA-256 of its statement. */
  readonly hash: string;
}

/** Type of the stored record for each kind. */
export interface Records {
  event: EventRecord;
  packet: PacketRecord;
  shadow: Shadow;
  health: Health;
  sheet: StoredSheet;
  cursor: Cursor;
  job: Job;
  seal: RememberedSeal;
  memory: StoredState;
  erasing: RetentionState;
  sequence: SequenceOrder;
  lane: LaneProgress;
  connectors: KnownConnectors;
}
