import { createHandler } from "./create-handler.ts";
import { readConnectorEnv } from "./env.ts";
import { connectorHandler } from "./connector-handler.ts";
import { openConnectorEngine } from "./connector-engine.ts";
import { connector } from "#connector";
import { isProbeRequest } from "./probe-request.ts";
import { probe as probeTarget } from "../bridge/maintenance/probe.ts";
import { maintainTarget } from "../bridge/maintenance/maintain-target.ts";

// `#connector` is the one connector of this bundle: each has its own.

/** Called by the connector's lane queue. */
export const deliver = createHandler(readConnectorEnv, async (env, log) =>
  connectorHandler(await openConnectorEngine(connector, env, log), connector),
);

/** Called every minute: asks the target whether it is awake, and sends its outbox back when it is. An operator has it asked at once. */
export const probe = createHandler(readConnectorEnv, async (env, log) => {
  const engine = await openConnectorEngine(connector, env, log);
  return async (event) => {
    if (isProbeRequest(event)) await probeTarget(engine, connector);
    await maintainTarget(engine, connector);
  };
});
