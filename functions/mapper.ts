import { door } from "./door.ts";
import { readMapperEnv } from "./env.ts";
import { mapperHandler } from "./mapper-handler.ts";
import { overSheets } from "./over-sheets.ts";
import { watchdogHandler } from "./watchdog-handler.ts";

/** Called by the inbox. */
export const map = door(readMapperEnv, overSheets(mapperHandler));

/** Called every minute: mends what crashes have left behind, and goes on with jobs. */
export const watch = door(readMapperEnv, overSheets(watchdogHandler));
