import type { KeyObject } from "node:crypto";
import { keyedHash } from "../values/ids.ts";
import { recordKey } from "../values/record-key.ts";
import { type Connector, connectorId } from "./connector.ts";

type ConnectorResource = Pick<Connector, "name" | "version" | "resource">;

/** Returns the id of the shadow a connector keeps for an entity. All spellings of one key have the same id. */
export function shadowIdOf(connector: ConnectorResource, entity: string, bridgeKey: KeyObject): string {
  return idFor(connector, recordKey(entity), bridgeKey);
}

/**
 * Returns the id under which earlier releases kept the shadow of an entity, or `undefined` if it is the current one.
 * They used the key as it was given.
 */
export function earlierShadowIdOf(
  connector: ConnectorResource,
  entity: string,
  bridgeKey: KeyObject,
): string | undefined {
  if (connector.resource !== undefined || recordKey(entity) === entity) return undefined;
  return idFor(connector, entity, bridgeKey);
}

function idFor(connector: ConnectorResource, key: string, bridgeKey: KeyObject): string {
  const id = connectorId(connector);
  return `${id}#${keyedHash(bridgeKey, id, connector.resource ?? key)}`;
}
