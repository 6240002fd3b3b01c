import { type Connector, connectorId } from "../bridge/connector.ts";
import type { Settings } from "./settings.ts";

/** What a connector will be configured with. @throws where its own schema would refuse it once deployed */
export function configFor(connector: Connector, settings: Settings): unknown {
  const id = connectorId(connector);
  const given = settings.connectors[id] ?? settings.connectors[connector.name] ?? {};
  const parsed = connector.config.safeParse(given);
  if (parsed.success) return given;
  const [issue] = parsed.error.issues;
  throw new Error(`the CDK context, connectors.${connector.name}.${issue?.path.join(".")}: ${issue?.message}`);
}
