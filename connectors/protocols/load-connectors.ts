import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import type { Connector } from "../../bridge/model/connector.ts";
import { issueText } from "../../bridge/values/yaml-file.ts";
import { readDeclaration } from "./declarative/declaration-file.ts";
import { type DeclarationInput, declaredConnector } from "./declarative/rest-connector.ts";

/** A connector and the path of the file that defines it. */
export interface ConnectorFile {
  readonly connector: Connector;
  readonly file: string;
}

/**
 * Loads the connectors of a folder: one from each `.ts` or `.js` file, which exports `connector`, and one from each
 * `.yaml` file, which declares a REST target. Subfolders are ignored.
 *
 * @throws {Error} if a file has no connector or an invalid declaration
 */
export async function listConnectorFiles(folder: string): Promise<ConnectorFile[]> {
  const files = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|js|ya?ml)$/.test(entry.name) && !entry.name.endsWith(".d.ts"))
    .map((entry) => join(folder, entry.name))
    .sort();
  return Promise.all(files.map(async (file) => ({ connector: await connectorIn(file), file })));
}

/**
 * Loads the connector of one file.
 *
 * @throws {Error} if there is none; for an invalid declaration, the message has one line per issue
 */
export async function connectorIn(file: string): Promise<Connector> {
  if (isDeclaration(file)) return declaredConnector(declarationIn(file)) as Connector;
  const { connector } = (await import(pathToFileURL(file).href)) as { connector?: Connector };
  if (typeof connector?.send !== "function") {
    throw new Error(`${file} exports no connector; add: export const connector = defineConnector({ … })`);
  }
  return connector;
}

export function isDeclaration(file: string): boolean {
  return /\.ya?ml$/.test(file);
}

/**
 * Reads the declaration in a `.yaml` file.
 *
 * @throws {Error} if it is invalid; the message has one line per issue
 */
export function declarationIn(file: string): DeclarationInput {
  const relativePath = relative(process.cwd(), file);
  const result = readDeclaration(relativePath.startsWith("..") ? file : relativePath, readFileSync(file, "utf8"));
  if (result.ok) return result.declaration;
  throw new Error(result.issues.map(issueText).join("\n"));
}
