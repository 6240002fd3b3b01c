import { type Connector, connectorId } from "../bridge/connector.ts";
import type { ConnectorFile } from "../connectors/protocols/connector-files.ts";
import type { Settings } from "./settings.ts";

/**
 * Those that can be deployed. One whose schema asks for what has no default (where its files go, say) waits until the
 * settings say it; no sheet can name it before.
 */
export function deployable(files: readonly ConnectorFile[], settings: Settings): ConnectorFile[] {
  return files.filter(({ connector }) => givenFor(connector, settings) || connector.config.safeParse({}).success);
}

/** What a connector will be configured with. @throws where its own schema would refuse it once deployed */
export function configFor(connector: Connector, settings: Settings): unknown {
  const given = givenFor(connector, settings) ?? {};
  const parsed = connector.config.safeParse(given);
  if (parsed.success) return given;
  const [issue] = parsed.error.issues;
  throw new Error(`the CDK context, connectors.${connector.name}.${issue?.path.join(".")}: ${issue?.message}`);
}

function givenFor(connector: Connector, { connectors }: Settings): unknown {
  return connectors[connectorId(connector)] ?? connectors[connector.name];
}
