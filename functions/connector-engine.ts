import type { Engine } from "../bridge/engine.ts";
import { Catalog, type Connector } from "../bridge/model/connector.ts";
import { createHttp, hostsIn } from "../connectors/protocols/http/client.ts";
import { openAwsEngine } from "../platform/aws/engine.ts";
import { type ConnectorEnv, engineResourcesIn } from "./env.ts";

/** Opens the engine of a function that serves one connector. It has no files or sheets and publishes no events. */
export function openConnectorEngine(connector: Connector, env: ConnectorEnv, log: Engine["log"]): Promise<Engine> {
  const noFiles = (): never => {
    throw new Error("a connector's function reads no files");
  };
  return openAwsEngine({
    ...engineResourcesIn(env),
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
