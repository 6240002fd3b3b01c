import { connector } from "#connector";
import { tend } from "../bridge/probe.ts";
import { openConnectorEngine } from "./connector-engine.ts";
import { connectorHandler } from "./connector-handler.ts";
import { door } from "./door.ts";
import { readConnectorEnv } from "./env.ts";

// `#connector` is the one connector of this bundle: each has its own.

/** Called by the connector's lane queue. */
export const deliver = door(readConnectorEnv, async (env, log) =>
  connectorHandler(await openConnectorEngine(connector, env, log), connector),
);

/** Called every minute: asks the target whether it is awake, and sends its outbox back when it is. */
export const probe = door(readConnectorEnv, async (env, log) => {
  const engine = await openConnectorEngine(connector, env, log);
  return () => tend(engine, connector);
});
