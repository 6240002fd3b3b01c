import { openAwsInbound } from "../platform/aws/engine.ts";
import { createHandler } from "./create-handler.ts";
import { readInboundEnv, resourcesIn } from "./env.ts";
import { inboundHandler } from "./inbound-handler.ts";
import { loadDeployedCatalog } from "./load-catalog.ts";

/** Receives webhooks. Invoked by the HTTP API for outside systems. */
export const receive = createHandler(readInboundEnv, async (env, log) =>
  inboundHandler(openAwsInbound(resourcesIn(env), { catalog: await loadDeployedCatalog(), log })),
);
