import { type Connector, connectorId } from "../bridge/model/connector.ts";
import type { ConnectorFile } from "../connectors/protocols/load-connectors.ts";
import type { Settings } from "./settings.ts";

/**
 * Those that can be deployed. One whose schema asks for what has no default (where its files go, say) waits until the
 * settings say it; no sheet can name it before.
 */
export function deployable(files: readonly ConnectorFile[], settings: Settings): ConnectorFile[] {
  return files.filter(({ connector }) => givenFor(connector, settings) || connector.config.safeParse({}).success);
}

/** Returns a connector's configuration. @throws if it could not work once deployed */
export function configFor(connector: Connector, settings: Settings): unknown {
  const given = givenFor(connector, settings) ?? {};
  const where = `the CDK context, connectors.${connector.name}`;
  const parsed = connector.config.safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Error(`${where}.${issue?.path.join(".")}: ${issue?.message}`);
  }
  const needs = connector.needs?.(parsed.data);
  if (needs && "issue" in needs) throw new Error(`${where}: ${needs.issue}`);
  const bytes = Buffer.byteLength(JSON.stringify(given));
  if (bytes > maxConfigBytes) {
    throw new Error(
      `${where}: has ${bytes} bytes as JSON, and a function's environment has room for ${maxConfigBytes}`,
    );
  }
  return given;
}

/** Share of the 4 KB for a function's environment. Source: AWS Lambda quotas. */
const maxConfigBytes = 3_072;

function givenFor(connector: Connector, { connectors }: Settings): unknown {
  return connectors[connectorId(connector)] ?? connectors[connector.name];
}
