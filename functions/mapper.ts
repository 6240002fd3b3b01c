import { door } from "./door.ts";
import { readMapperEnv } from "./env.ts";
import { openMapperEngine } from "./mapper-engine.ts";
import { mapperHandler } from "./mapper-handler.ts";
import { watchdogHandler } from "./watchdog-handler.ts";

/** Called by the inbox. */
export const map = door(readMapperEnv, async (env, log) => mapperHandler(await openMapperEngine(env, log)));

/** Called every minute: mends what crashes have left behind, and goes on with jobs. */
export const watch = door(readMapperEnv, async (env, log) => watchdogHandler(await openMapperEngine(env, log)));
