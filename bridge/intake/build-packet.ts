import type { KeyObject } from "node:crypto";
import type { GovernanceResult } from "../governance/vet.ts";
import type { MappedPayload } from "../mapping/map-event.ts";
import { type Connector, connectorId } from "../model/connector.ts";
import { type Packet, packetId, type Version } from "../model/packet.ts";
import { keyedHash } from "../values/ids.ts";

/** A parcel governance has seen: only such a parcel can be packed. */
export type VettedPayload = MappedPayload & GovernanceResult;

/** What every packet of one event shares. */
export interface Origin {
  readonly key: string;
  readonly type: string;
  readonly version: Version;
  readonly job?: string;
}

/**
 * Packs a vetted parcel for its lane. Packing the same parcel again gives the same packet.
 *
 * @param bridgeKey hides entities in lanes and shadows: an employee number could be guessed from a plain hash
 */
export function pack(
  parcel: VettedPayload,
  origin: Origin,
  connector: Connector,
  bridgeKey: KeyObject,
  echo = false,
): Packet {
  const { sheet, target, element, at } = parcel;
  return {
    event: origin.key,
    eventType: origin.type,
    sheet: sheet.name,
    sheetHash: sheet.hash,
    target: target.name,
    ...addressed(
      parcel.entity,
      { event: origin.key, sheet: sheet.name, target: target.name },
      origin.version,
      connector,
      bridgeKey,
    ),
    order: connector.order,
    send: target.send,
    action: target.action,
    fields: parcel.fields,
    ...(element !== undefined && { element }),
    ...(at !== undefined && { at }),
    version: origin.version,
    windowMs: sheet.windowMs,
    ...(origin.job !== undefined && { job: origin.job }),
    ...(echo && { echo }),
  };
}

/** The same packet about another entity. */
export function readdress(packet: Packet, entity: string, connector: Connector, bridgeKey: KeyObject): Packet {
  return { ...packet, ...addressed(entity, packet, packet.version, connector, bridgeKey) };
}

/** What of a packet depends on its entity. */
function addressed(
  entity: string,
  { event, sheet, target }: Pick<Packet, "event" | "sheet" | "target">,
  version: Version,
  connector: Connector,
  bridgeKey: KeyObject,
): Pick<Packet, "id" | "connector" | "entity" | "lane" | "shadow"> {
  const id = connectorId(connector);
  const shadow = shadowIdOf(connector, entity, bridgeKey);
  return {
    id: packetId(event, `${sheet}.${target}`, entity, version.revision),
    connector: id,
    entity,
    lane: connector.lane === "connector" ? id : shadow,
    shadow,
  };
}

/** The key under which it is kept what a target holds for an entity. */
export function shadowIdOf(connector: Connector, entity: string, bridgeKey: KeyObject): string {
  const id = connectorId(connector);
  return `${id}#${keyedHash(bridgeKey, id, connector.resource ?? entity)}`;
}
