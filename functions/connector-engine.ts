import type { Engine } from "../bridge/engine.ts";
import { Catalog, type Connector } from "../bridge/model/connector.ts";
import { createHttp, hostsIn } from "../connectors/protocols/http/client.ts";
import { openAwsEngine } from "../platform/aws/engine.ts";
import { type ConnectorEnv, ownIn } from "./env.ts";

/** The engine of a function that talks to one outside system. */
export function openConnectorEngine(connector: Connector, env: ConnectorEnv, log: Engine["log"]): Promise<Engine> {
  const noFiles = (): never => {
    throw new Error("a connector's function reads no files");
  };
  return openAwsEngine({
    ...ownIn(env),
    files: { find: noFiles, read: noFiles },
    catalog: new Catalog([connector]),
    sheets: () => {
      throw new Error("a connector's function has no sheets");
    },
    publish: () => {
      throw new Error("a connector's function publishes nothing");
    },
    configOf: () => env.CONFIG,
    http: (config) => createHttp({ allowedHosts: hostsIn(config) }),
    log,
  });
}
