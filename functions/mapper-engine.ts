import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Engine } from "../bridge/ports.ts";
import { openAwsEngine } from "../platform/aws/engine.ts";
import { openShippedSet, shippedSetFile } from "../platform/aws/shipped-set.ts";
import { type PathEnv, placesIn } from "./env.ts";

/** The engine of a function that knows the sheets, and talks to no outside system. */
export async function openMapperEngine(env: PathEnv, log: Engine["log"]): Promise<Engine> {
  const { set, catalog } = openShippedSet(await readFile(join(import.meta.dirname, shippedSetFile), "utf8"));
  const nothingSent = (): never => {
    throw new Error("this function sends nothing");
  };
  return openAwsEngine({
    ...placesIn(env),
    catalog,
    sheets: () => set,
    configOf: nothingSent,
    http: nothingSent,
    log,
  });
}
