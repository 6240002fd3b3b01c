import { createHandler } from "./create-handler.ts";
import { readMapperEnv } from "./env.ts";
import { createMapperEngine } from "./mapper-engine.ts";
import { mapperHandler } from "./mapper-handler.ts";
import { watchdogHandler } from "./watchdog-handler.ts";

/** Maps events to packets. Invoked by the inbox queue. */
export const map = createHandler(readMapperEnv, createMapperEngine(mapperHandler));

/** Requeues packets lost in crashes, and runs jobs. Invoked by the schedule every minute. */
export const watch = createHandler(readMapperEnv, createMapperEngine(watchdogHandler));
