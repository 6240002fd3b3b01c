import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Catalog } from "../bridge/model/connector.ts";
import { catalogFile, openCatalog } from "../platform/aws/deployed-catalog.ts";

/** Loads the catalog of the deployed connectors from the file next to the function's bundle. */
export async function loadDeployedCatalog(): Promise<Catalog> {
  return openCatalog(await readFile(join(import.meta.dirname, catalogFile), "utf8"));
}
