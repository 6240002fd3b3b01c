import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openAwsEngine } from "../platform/aws/engine.ts";
import { openShippedSet, shippedSetFile } from "../platform/aws/shipped-set.ts";
import { door } from "./door.ts";
import { placesIn, readMapperEnv } from "./env.ts";
import { mapperHandler } from "./mapper-handler.ts";

/** Called by the inbox. */
export const handler = door(readMapperEnv, async (env, log) => {
  const { set, catalog } = openShippedSet(await readFile(join(import.meta.dirname, shippedSetFile), "utf8"));
  const nothingSent = (): never => {
    throw new Error("the mapper sends nothing");
  };
  const engine = await openAwsEngine({
    ...placesIn(env),
    catalog,
    sheets: () => set,
    configOf: nothingSent,
    http: nothingSent,
    log,
  });
  return mapperHandler(engine);
});
