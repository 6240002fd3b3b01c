import { eventKey, type SourceEvent } from "../model/event.ts";
import type { LedgerEntry } from "../model/ledger-entry.ts";
import type { Clock, Random } from "../ports/clock.ts";
import type { Put } from "../ports/store.ts";
import type { JsonObject } from "../values/json.ts";
import { append, tailOf } from "./chain.ts";

/** An operator's act that is about no packet: an event of the bridge's own, and the one entry of its chain. */
export interface AuditEvent {
  readonly put: Put;
  readonly entry: LedgerEntry;
}

/** What the bridge says of itself is no change of HMS, and goes to no target. */
const ownSource = "hms.bridge";

/**
 * Notes what an operator did, so that the ledger names it like everything else. To be written together with what it
 * changes.
 *
 * @param type `sync.connector.paused`
 * @param facts who, why and about what: no values
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
