import { connector } from "#connector";
import { Catalog } from "../bridge/connector.ts";
import { createHttp, hostsIn } from "../connectors/protocols/http.ts";
import { openAwsEngine } from "../platform/aws/engine.ts";
import { onFirstCall } from "./batch.ts";
import { connectorHandler } from "./connector-handler.ts";
import { placesIn, readConnectorEnv } from "./env.ts";

/** Called by a connector's lane queue. `#connector` is that connector: one bundle each. */
export const handler = onFirstCall(async () => {
  const env = readConnectorEnv(process.env);
  const engine = await openAwsEngine({
    ...placesIn(env),
    catalog: new Catalog([connector]),
    sheets: () => {
      throw new Error("a connector's function has no sheets");
    },
    configOf: () => env.CONFIG,
    http: (config) => createHttp({ allowedHosts: hostsIn(config) }),
  });
  return connectorHandler(engine, connector);
});
