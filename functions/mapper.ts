import { createHandler } from "./create-handler.ts";
import { readMapperEnv } from "./env.ts";
import { createMapperEngine } from "./mapper-engine.ts";
import { mapperHandler } from "./mapper-handler.ts";
import { watchdogHandler } from "./watchdog-handler.ts";

/** Called by the inbox. */
export const map = createHandler(readMapperEnv, createMapperEngine(mapperHandler));

/** Called every minute: mends what crashes have left behind, and goes on with jobs. */
export const watch = createHandler(readMapperEnv, createMapperEngine(watchdogHandler));
