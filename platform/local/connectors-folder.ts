import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Connector } from "../../bridge/connector.ts";

/**
 * The connectors of a folder: every `.ts` or `.js` file that exports a `connector`. There is no list to edit.
 *
 * @throws where a file exports none, or two are called the same
 */
export async function connectorsIn(folder: string): Promise<Connector[]> {
  const files = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|js)$/.test(entry.name) && !entry.name.endsWith(".d.ts"))
    .map((entry) => entry.name)
    .sort();
  return Promise.all(
    files.map(async (name) => {
      const module = (await import(pathToFileURL(join(folder, name)).href)) as { connector?: Connector };
      if (typeof module.connector?.send !== "function") {
        throw new Error(
          `${join(folder, name)} exports no connector; write: export const connector = defineConnector({ … })`,
        );
      }
      return module.connector;
    }),
  );
}
