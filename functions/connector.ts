import { connector } from "#connector";
import { maintainTarget } from "../bridge/maintenance/maintain-target.ts";
import { probe as probeTarget } from "../bridge/maintenance/probe.ts";
import { openConnectorEngine } from "./connector-engine.ts";
import { connectorHandler } from "./connector-handler.ts";
import { createHandler } from "./create-handler.ts";
import { readConnectorEnv } from "./env.ts";
import { isProbeRequest } from "./probe-request.ts";

// This file is bundled once for each connector; `#connector` resolves to that connector.

/** Delivers packets. Invoked by the connector's lane queue. */
export const deliver = createHandler(readConnectorEnv, async (env, log) =>
  connectorHandler(await openConnectorEngine(connector, env, log), connector),
);

/**
 * Probes the target if a probe is due, and redrives its outbox once the target is up. Invoked every minute by the
 * schedule, and by the operator API for an immediate probe.
 */
export const probe = createHandler(readConnectorEnv, async (env, log) => {
  const engine = await openConnectorEngine(connector, env, log);
  return async (event) => {
    if (isProbeRequest(event)) await probeTarget(engine, connector);
    await maintainTarget(engine, connector);
  };
});
