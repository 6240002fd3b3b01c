import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Catalog } from "../bridge/model/connector.ts";
import { catalogFile, openCatalog } from "../platform/aws/deployed-catalog.ts";

/** Loads the connectors deployed with this function from the file next to its bundle. */
export async function deployedCatalog(): Promise<Catalog> {
  return openCatalog(await readFile(join(import.meta.dirname, catalogFile), "utf8"));
}
