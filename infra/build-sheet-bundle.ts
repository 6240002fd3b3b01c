import { join, relative } from "node:path";
import { Catalog, connectorId } from "../bridge/model/connector.ts";
import { issueText } from "../bridge/values/yaml-file.ts";
import { listConnectorFiles } from "../connectors/protocols/load-connectors.ts";
import { packSet } from "../platform/aws/sheet-bundle.ts";
import { readFolder, readTexts, SheetsError } from "../platform/local/sheet-watcher.ts";
import { projectRoot } from "./bundle.ts";

/** Valid sheets, serialized for deployment. */
export interface SheetBundle {
  readonly bytes: Uint8Array;
  readonly sheets: number;
  readonly examples: number;
  readonly warnings: readonly string[];
}

/**
 * Reads `mappings/` and the `governance.yaml` beside it, checks them, and runs the examples.
 *
 * @param deployed ids of the connectors that sheets may name; if omitted, all in connectors/
 * @throws {SheetsError} if a sheet or the policy is invalid; lists every issue with file, line and fix
 * @throws {RangeError} if the bundle is too large
 */
export async function buildSheetBundle(mappings: string, deployed?: readonly string[]): Promise<SheetBundle> {
  const files = await listConnectorFiles(join(projectRoot, "connectors"));
  const { available = [], missing = [] } = Object.groupBy(files, ({ connector }) =>
    !deployed || deployed.includes(connectorId(connector)) ? "available" : "missing",
  );
  const texts = readFolder(mappings);
  const { sheets, policy, policyFault } = await readTexts(
    texts,
    new Catalog(available.map(({ connector }) => connector)),
  );
  const issues = [...sheets.issues.map(issueText), ...(policyFault === undefined ? [] : [policyFault])];
  if (issues.length > 0) {
    const unknown = missing.map(({ file }) => `${relative(projectRoot, file)} is not deployed yet; run npm run deploy`);
    throw new SheetsError([...issues, ...unknown]);
  }
  // Without issues there is one sheet for each text, in the same order.
  const withFiles = sheets.sheets.map((sheet, i) => ({ file: texts.sheets[i]?.file ?? sheet.name, sheet }));
  return {
    bytes: packSet({ sheets: withFiles, policy }),
    sheets: withFiles.length,
    examples: sheets.examples.length,
    warnings: sheets.warnings.map(issueText),
  };
}
