import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import type { Connector } from "../../bridge/model/connector.ts";
import { issueText } from "../../bridge/values/yaml-file.ts";
import { readDeclaration } from "./declarative/declaration-file.ts";
import { type DeclarationInput, declaredConnector } from "./declarative/rest-connector.ts";

/** A connector and the file that holds it. */
export interface ConnectorFile {
  readonly connector: Connector;
  readonly file: string;
}

/**
 * The connectors of a folder: every `.ts` or `.js` file that exports a `connector`, and every `.yaml` file that declares
 * one. There is no list to edit.
 *
 * @throws where a file exports none, or declares none
 */
export async function listConnectorFiles(folder: string): Promise<ConnectorFile[]> {
  const files = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|js|ya?ml)$/.test(entry.name) && !entry.name.endsWith(".d.ts"))
    .map((entry) => join(folder, entry.name))
    .sort();
  return Promise.all(files.map(async (file) => ({ connector: await connectorIn(file), file })));
}

/** The connector of one file. @throws where there is none, with what is wrong line by line */
export async function connectorIn(file: string): Promise<Connector> {
  if (isDeclaration(file)) return declaredConnector(declarationIn(file)) as Connector;
  const { connector } = (await import(pathToFileURL(file).href)) as { connector?: Connector };
  if (typeof connector?.send !== "function") {
    throw new Error(`${file} exports no connector; write: export const connector = defineConnector({ … })`);
  }
  return connector;
}

export function isDeclaration(file: string): boolean {
  return /\.ya?ml$/.test(file);
}

/** What a `.yaml` file declares. @throws with its faults, a line each */
export function declarationIn(file: string): DeclarationInput {
  const shown = relative(process.cwd(), file);
  const reading = readDeclaration(shown.startsWith("..") ? file : shown, readFileSync(file, "utf8"));
  if (reading.ok) return reading.declaration;
  throw new Error(reading.faults.map(issueText).join("\n"));
}
