import type { EventRecord } from "../model/event-record.ts";
import type { Job } from "../model/job.ts";
import type { PacketRecord } from "../model/packet-record.ts";
import type { Shadow } from "../model/shadow.ts";
import type { SheetDocument } from "../model/sheet-document.ts";
import type { Health } from "../model/target-health.ts";
import type { Json } from "../values/json.ts";

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

/** What a connector remembers of its target. */
export interface StoredState {
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
  memory: StoredState;
  erasing: Erasing;
}
