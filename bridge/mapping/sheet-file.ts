import type { Policy } from "../governance/policy.ts";
import type { Catalog } from "../model/connector.ts";
import { sheetSchema } from "../model/sheet-document.ts";
import { readYaml, type YamlIssue } from "../values/yaml-file.ts";
import { type PlacedSheet, sheetOverlaps } from "./check-overlaps.ts";
import { checkSheet, duplicateNameIssue } from "./check-sheet.ts";
import { compileSheet, type PlacedIssue, type Sheet, sheetName } from "./compile-sheet.ts";
import { schemaIssues } from "./schema-issues.ts";
import type { ExampleResult } from "./try-sheet.ts";

/** Name and text of one sheet file. */
export interface SheetFile {
  /** Name shown in issues: `mappings/per_diem.yaml` */
  readonly file: string;
  readonly text: string;
}

/** One problem on one line of a sheet. */
export interface SheetIssue extends YamlIssue {
  /** True for an issue with an example's result, as opposed to how the sheet is written. */
  readonly ofExample?: boolean;
}

export type SheetReading =
  | { readonly ok: true; readonly sheet: Sheet; lineOf(path: readonly PropertyKey[]): number }
  | { readonly ok: false; readonly issues: readonly SheetIssue[] };

/**
 * Parses and compiles one mapping sheet. Returns issues for invalid text and never throws.
 *
 * Limits: 64 KiB; YAML 1.2 core types only; at most 20 alias expansions.
 *
 * @param file the name shown in issues, such as `mappings/per_diem.yaml`
 */
export function readSheet(file: string, text: string): SheetReading {
  const reading = readYaml(file, text, { what: "the sheet", begin: 'start with "source_event:" and "targets:"' });
  if (!reading.ok) return reading;
  const { raw, lineOf } = reading;
  const inFile = ({ path, message }: PlacedIssue): YamlIssue => ({ file, line: lineOf(path), message });
  const parsed = sheetSchema.safeParse(raw);
  if (!parsed.success) {
    const issues = schemaIssues(parsed.error, raw).map(inFile);
    return { ok: false, issues: issues.sort((a, b) => a.line - b.line) };
  }
  const compiled = compileSheet(sheetName(file), parsed.data);
  return compiled.ok ? { ok: true, sheet: compiled.sheet, lineOf } : { ok: false, issues: compiled.issues.map(inFile) };
}

/** Result of reading all sheets. */
export interface SheetsReading {
  readonly sheets: readonly Sheet[];
  readonly issues: readonly SheetIssue[];
  /** Result of each example. A failed example is also in `issues`. */
  readonly examples: readonly ExampleResult[];
  /** Things that work but may surprise the author. */
  readonly warnings: readonly SheetIssue[];
}

/** Position of an issue in a sheet. */
type Place = (issue: PlacedIssue) => SheetIssue;

/**
 * Reads all sheets, checks them against the installed connectors and each other, and runs their examples.
 *
 * @param active sheets that are in force beside the given ones. They are not checked themselves.
 */
export async function readSheets(
  files: readonly SheetFile[],
  catalog: Catalog,
  policy: Policy,
  active: readonly PlacedSheet[] = [],
): Promise<SheetsReading> {
  const read = new Map<Sheet, Place>();
  const placed: PlacedSheet[] = [...active];
  const issues: SheetIssue[] = [];
  const warnings: SheetIssue[] = [];
  const examples: ExampleResult[] = [];
  const named = new Map<string, string>();
  for (const { file, text } of files) {
    const reading = readSheet(file, text);
    if (!reading.ok) {
      issues.push(...reading.issues);
      continue;
    }
    const { sheet, lineOf } = reading;
    const inFile: Place = ({ path, ...issue }) => ({ file, line: lineOf(path), ...issue });
    const twin = named.get(sheet.name);
    if (twin) issues.push(inFile({ path: [], message: duplicateNameIssue(twin) }));
    named.set(sheet.name, file);

    const checked = await checkSheet(sheet, catalog, policy);
    issues.push(...checked.issues.map(inFile));
    warnings.push(...checked.warnings.map(inFile));
    examples.push(...checked.examples);
    read.set(sheet, inFile);
    placed.push({ sheet, placeOf: (path) => `${file}:${lineOf(path)}` });
  }
  for (const { sheet, path, message, isCertain } of sheetOverlaps(placed, catalog)) {
    const issue = read.get(sheet)?.({ path, message });
    if (issue) (isCertain ? issues : warnings).push(issue);
  }
  return { sheets: [...read.keys()], issues, examples, warnings };
}
