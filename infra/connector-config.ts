import { type Connector, connectorId } from "../bridge/model/connector.ts";
import type { ConnectorFile } from "../connectors/protocols/load-connectors.ts";
import type { Settings } from "./settings.ts";

/**
 * Returns the connectors that can be deployed. Omits a connector with a required setting, such as the folder for its
 * files, until the settings configure it. Until then no sheet can name it.
 */
export function deployable(files: readonly ConnectorFile[], settings: Settings): ConnectorFile[] {
  return files.filter(({ connector }) => configured(connector, settings) || connector.config.safeParse({}).success);
}

/** Returns a connector's configuration. @throws {Error} if it is invalid, or too large for the environment */
export function configFor(connector: Connector, settings: Settings): unknown {
  const config = configured(connector, settings) ?? {};
  const where = `the CDK context, connectors.${connector.name}`;
  const parsed = connector.config.safeParse(config);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Error(`${where}.${issue?.path.join(".")}: ${issue?.message}`);
  }
  const needs = connector.needs?.(parsed.data);
  if (needs && "issue" in needs) throw new Error(`${where}: ${needs.issue}`);
  const bytes = Buffer.byteLength(JSON.stringify(config));
  if (bytes > maxConfigBytes) {
    throw new Error(
      `${where}: has ${bytes} bytes as JSON; the limit for a function's environment is ${maxConfigBytes}`,
    );
  }
  return config;
}

/** Maximum size of a configuration, out of the 4 KB allowed for a function's environment. Source: AWS Lambda quotas. */
const maxConfigBytes = 3_072;

function configured(connector: Connector, { connectors }: Settings): unknown {
  return connectors[connectorId(connector)] ?? connectors[connector.name];
}
