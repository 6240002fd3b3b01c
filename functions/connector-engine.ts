import { Catalog, type Connector } from "../bridge/connector.ts";
import type { Engine } from "../bridge/ports.ts";
import { createHttp, hostsIn } from "../connectors/protocols/http.ts";
import { openAwsEngine } from "../platform/aws/engine.ts";
import { type ConnectorEnv, placesIn } from "./env.ts";

/** The engine of a function that talks to one outside system. */
export function openConnectorEngine(connector: Connector, env: ConnectorEnv, log: Engine["log"]): Promise<Engine> {
  return openAwsEngine({
    ...placesIn(env),
    catalog: new Catalog([connector]),
    sheets: () => {
      throw new Error("a connector's function has no sheets");
    },
    configOf: () => env.CONFIG,
    http: (config) => createHttp({ allowedHosts: hostsIn(config) }),
    log,
  });
}
