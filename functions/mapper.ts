import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openAwsEngine } from "../platform/aws/engine.ts";
import { openShippedSet, shippedSetFile } from "../platform/aws/shipped-set.ts";
import { onFirstCall } from "./batch.ts";
import { placesIn, readMapperEnv } from "./env.ts";
import { mapperHandler } from "./mapper-handler.ts";

/** Called by the inbox. */
export const handler = onFirstCall(async () => {
  const { set, catalog } = openShippedSet(await readFile(join(import.meta.dirname, shippedSetFile), "utf8"));
  const nothingSent = (): never => {
    throw new Error("the mapper sends nothing");
  };
  const engine = await openAwsEngine({
    ...placesIn(readMapperEnv(process.env)),
    catalog,
    sheets: () => set,
    configOf: nothingSent,
    http: nothingSent,
  });
  return mapperHandler(engine);
});
