import { connector } from "#connector";
import { probe as probeTarget } from "../bridge/maintenance/probe.ts";
import { tend } from "../bridge/maintenance/run-maintenance.ts";
import { openConnectorEngine } from "./connector-engine.ts";
import { connectorHandler } from "./connector-handler.ts";
import { door } from "./create-handler.ts";
import { readConnectorEnv } from "./env.ts";
import { isAskedNow } from "./probe-request.ts";

// `#connector` is the one connector of this bundle: each has its own.

/** Called by the connector's lane queue. */
export const deliver = door(readConnectorEnv, async (env, log) =>
  connectorHandler(await openConnectorEngine(connector, env, log), connector),
);

/** Called every minute: asks the target whether it is awake, and sends its outbox back when it is. An operator has it asked at once. */
export const probe = door(readConnectorEnv, async (env, log) => {
  const engine = await openConnectorEngine(connector, env, log);
  return async (event) => {
    if (isAskedNow(event)) await probeTarget(engine, connector);
    await tend(engine, connector);
  };
});
