import { openAwsDoor } from "../platform/aws/engine.ts";
import { createHandler } from "./create-handler.ts";
import { placesIn, readInboundEnv } from "./env.ts";
import { inboundHandler } from "./inbound-handler.ts";
import { deployedCatalog } from "./load-catalog.ts";

/** Called by the HTTP API for outside systems. */
export const receive = createHandler(readInboundEnv, async (env, log) =>
  inboundHandler(openAwsDoor(placesIn(env), { catalog: await deployedCatalog(), log })),
);
