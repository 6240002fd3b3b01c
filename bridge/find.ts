import type { PacketFilter } from "./ports.ts";
import type { PacketRecord } from "./records.ts";

/** What of a filter no index knows: every engine judges it alike. Nothing where all that is asked is time, connector and status. */
export function fitting(filter: PacketFilter): ((record: PacketRecord) => boolean) | undefined {
  const { sheet, event, entity } = filter;
  const text = filter.text?.toLowerCase();
  if (sheet === undefined && event === undefined && entity === undefined && !text) return undefined;
  return ({ packet, progress }) =>
    (sheet === undefined || packet.sheet === sheet) &&
    (event === undefined || packet.event === event) &&
    (entity === undefined || packet.entity === entity) &&
    (!text || namesOf({ packet, progress }).some((name) => name.toLowerCase().includes(text)));
}

function namesOf({ packet, progress }: Pick<PacketRecord, "packet" | "progress">): string[] {
  const { id, event, eventType, sheet, target, connector, entity } = packet;
  return [id, event, eventType, sheet, target, connector, entity, progress.reason ?? ""];
}
