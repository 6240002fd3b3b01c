import { eventKey, type SourceEvent } from "../model/event.ts";
import type { LedgerEntry } from "../model/ledger-entry.ts";
import type { Clock, Random } from "../ports/clock.ts";
import type { Put } from "../ports/store.ts";
import type { JsonObject } from "../values/json.ts";
import { append, tailOf } from "./chain.ts";

/** Record of an operator's action that concerns no packet: an event of the bridge itself, whose chain has one entry. */
export interface AuditEvent {
  readonly put: Put;
  readonly entry: LedgerEntry;
}

/** Source of the bridge's own events. They are not changes in HMS and go to no target. */
const ownSource = "hms.bridge";

/**
 * Creates the record and ledger entry of an operator's action. Write both in the same transaction as the change itself.
 *
 * @param type for example `sync.connector.paused`
 * @param facts operator, reason and subject; no field values
 */
export function createAuditEvent(
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  type: string,
  facts: JsonObject,
): AuditEvent {
  const at = clock.now();
  const event: SourceEvent = {
    id: random.id(),
    source: ownSource,
    type,
    time: new Date(at).toISOString(),
    data: facts,
  };
  const key = eventKey(event);
  const entry = append(key, undefined, { at, step: "NOTED", facts: { type, ...facts } });
  const record = { status: "NOTED", step: "NOTED", accepted: clock.stamp(), event, tail: tailOf(entry) } as const;
  const value = { ...record, sheets: [], packets: 0, message: "", duplicates: 0 };
  return { put: { kind: "event", id: key, value, etag: 0 }, entry };
}
