import { connector } from "#connector";
import { Catalog } from "../bridge/connector.ts";
import { createHttp, hostsIn } from "../connectors/protocols/http.ts";
import { openAwsEngine } from "../platform/aws/engine.ts";
import { connectorHandler } from "./connector-handler.ts";
import { door } from "./door.ts";
import { placesIn, readConnectorEnv } from "./env.ts";

/** Called by a connector's lane queue. `#connector` is that connector: one bundle each. */
export const handler = door(readConnectorEnv, async (env, log) => {
  const engine = await openAwsEngine({
    ...placesIn(env),
    catalog: new Catalog([connector]),
    sheets: () => {
      throw new Error("a connector's function has no sheets");
    },
    configOf: () => env.CONFIG,
    http: (config) => createHttp({ allowedHosts: hostsIn(config) }),
    log,
  });
  return connectorHandler(engine, connector);
});
