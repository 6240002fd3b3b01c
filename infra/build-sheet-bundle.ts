import { join, relative } from "node:path";
import { Catalog, connectorId } from "../bridge/model/connector.ts";
import { issueText } from "../bridge/values/yaml-file.ts";
import { listConnectorFiles } from "../connectors/protocols/load-connectors.ts";
import { packSet } from "../platform/aws/sheet-bundle.ts";
import { readFolder, readTexts, SheetsError } from "../platform/local/sheet-watcher.ts";
import { projectRoot } from "./bundle.ts";

/** Sheets that may be shipped, packed. */
export interface SheetBundle {
  readonly bytes: Uint8Array;
  readonly sheets: number;
  readonly examples: number;
  readonly warnings: readonly string[];
}

/**
 * Reads `mappings/` and the `governance.yaml` beside it, checks them, and runs the examples.
 *
 * @param deployed ids of the connectors that sheets may name. Absent: those of connectors/, which are to be deployed first
 * @throws {SheetsError} with every fault: file, line and remedy
 * @throws {RangeError} if they are too large together
 */
export async function buildSheetBundle(mappings: string, deployed?: readonly string[]): Promise<SheetBundle> {
  const files = await listConnectorFiles(join(projectRoot, "connectors"));
  const { there = [], missing = [] } = Object.groupBy(files, ({ connector }) =>
    !deployed || deployed.includes(connectorId(connector)) ? "there" : "missing",
  );
  const texts = readFolder(mappings);
  const { sheets, policy, policyFault } = await readTexts(texts, new Catalog(there.map(({ connector }) => connector)));
  const faults = [...sheets.issues.map(issueText), ...(policyFault === undefined ? [] : [policyFault])];
  if (faults.length > 0) {
    const unknown = missing.map(
      ({ file }) => `${relative(projectRoot, file)} is not deployed yet; npm run deploy does it`,
    );
    throw new SheetsError([...faults, ...unknown]);
  }
  // No fault: every text has become a sheet, in order.
  const filed = sheets.sheets.map((sheet, i) => ({ file: texts.sheets[i]?.file ?? sheet.name, sheet }));
  return {
    bytes: packSet({ sheets: filed, policy }),
    sheets: filed.length,
    examples: sheets.examples.length,
    warnings: sheets.warnings.map(issueText),
  };
}
