import { door } from "./create-handler.ts";
import { readMapperEnv } from "./env.ts";
import { overSheets } from "./mapper-engine.ts";
import { mapperHandler } from "./mapper-handler.ts";
import { watchdogHandler } from "./watchdog-handler.ts";

/** Called by the inbox. */
export const map = door(readMapperEnv, overSheets(mapperHandler));

/** Called every minute: mends what crashes have left behind, and goes on with jobs. */
export const watch = door(readMapperEnv, overSheets(watchdogHandler));
