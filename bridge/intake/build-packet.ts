import type { KeyObject } from "node:crypto";
import type { GovernanceResult } from "../governance/vet.ts";
import type { MappedPayload } from "../mapping/map-event.ts";
import { type Connector, connectorId } from "../model/connector.ts";
import { type Packet, packetId } from "../model/packet.ts";
import { shadowIdOf } from "../model/shadow-id.ts";
import type { Version } from "../model/version.ts";

/** A payload that passed through governance. Only such a payload can be packed. */
export type VettedPayload = MappedPayload & GovernanceResult;

/** Properties of an event that all its packets share. */
export interface Origin {
  readonly key: string;
  readonly type: string;
  readonly version: Version;
  readonly job?: string;
  /** Name of the connector whose target made the change. The change is not sent back to that target. */
  readonly connector?: string | undefined;
}

/** Properties of a connector that determine its packets' order, lanes and shadows. */
export type PacketAddressee = Pick<Connector, "name" | "version" | "order" | "lane" | "resource">;

/** Fields that determine a packet's id, lane and shadow. */
type Addressee = Pick<Packet, "entity" | "event" | "sheet" | "target" | "version">;

/**
 * Packs a vetted payload for its lane. Packing the same payload again gives the same packet.
 *
 * @param bridgeKey key for the hashes in lanes and shadows; an employee number could be guessed from an unkeyed hash
 */
export function pack(payload: VettedPayload, origin: Origin, connector: PacketAddressee, bridgeKey: KeyObject): Packet {
  const { sheet, target, entity, element, at } = payload;
  const { key: event, version } = origin;
  return {
    event,
    eventType: origin.type,
    sheet: sheet.name,
    sheetHash: sheet.hash,
    target: target.name,
    ...addressFor({ entity, event, sheet: sheet.name, target: target.name, version }, connector, bridgeKey),
    order: connector.order,
    send: target.send,
    action: target.action,
    fields: payload.fields,
    ...(element !== undefined && { element }),
    ...(at !== undefined && { at }),
    version,
    windowMs: sheet.windowMs,
    ...(origin.job !== undefined && { job: origin.job }),
    ...(origin.connector === connector.name && { echo: true }),
  };
}

/** Returns the packet with another entity, and the id, lane and shadow that follow from it. */
export function readdress(packet: Packet, entity: string, connector: Connector, bridgeKey: KeyObject): Packet {
  return { ...packet, ...addressFor({ ...packet, entity }, connector, bridgeKey) };
}

/** Returns the fields of a packet that depend on its entity. */
function addressFor(
  { entity, event, sheet, target, version }: Addressee,
  connector: PacketAddressee,
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
