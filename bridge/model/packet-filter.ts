import { recordKey } from "../values/record-key.ts";
import type { Status } from "./ledger-entry.ts";
import type { PacketRecord } from "./packet-record.ts";

/**
 * Returns a predicate for the criteria that no index covers, so that every engine applies them in the same way.
 *
 * Returns `undefined` if the filter has only times, connector and statuses.
 */
export function packetPredicate(filter: PacketFilter): ((record: PacketRecord) => boolean) | undefined {
  const { sheet, event } = filter;
  const entity = filter.entity === undefined ? undefined : recordKey(filter.entity);
  const text = filter.text && searchable(filter.text);
  if (sheet === undefined && event === undefined && entity === undefined && !text) return undefined;
  return ({ packet, progress }) =>
    (sheet === undefined || packet.sheet === sheet) &&
    (event === undefined || packet.event === event) &&
    (entity === undefined || recordKey(packet.entity) === entity) &&
    (!text || namesOf({ packet, progress }).some((name) => searchable(name).includes(text)));
}

/** Returns a text in the form in which texts are compared: two spellings of one accent are equal. */
function searchable(text: string): string {
  return text.normalize("NFC").toLowerCase();
}

function namesOf({ packet, progress }: Pick<PacketRecord, "packet" | "progress">): string[] {
  const { id, event, eventType, sheet, target, connector, entity } = packet;
  return [id, event, eventType, sheet, target, connector, entity, progress.reason ?? ""];
}

/** Criteria that a packet must meet, all of them. */
export interface PacketFilter {
  readonly connector?: string | undefined;
  readonly statuses?: readonly Status[] | undefined;
  readonly sheet?: string | undefined;
  /** An event's key. */
  readonly event?: string | undefined;
  /** A record's key, in any spelling. */
  readonly entity?: string | undefined;
  /** Text contained in the id, event, type, sheet, target, connector, entity or reason, ignoring case. */
  readonly text?: string | undefined;
  /** Time of recording, in ms since the epoch: `from` inclusive, `to` exclusive. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}
