import type { Policy } from "../governance/policy.ts";
import type { Catalog } from "../model/connector.ts";
import { sheetSchema } from "../model/sheet-document.ts";
import { readYaml, type YamlIssue } from "../values/yaml-file.ts";
import { checkSheet, duplicateTargetIssue } from "./check-sheet.ts";
import { compileSheet, type PlacedIssue, type Sheet, sheetName } from "./compile-sheet.ts";
import { schemaIssues } from "./schema-faults.ts";
import type { ExampleResult } from "./try-sheet.ts";

export interface SheetFile {
  /** As it should stand in a fault: `mappings/per_diem.yaml` */
  readonly file: string;
  readonly text: string;
}

/** One thing wrong with one line of one sheet. */
export interface SheetIssue extends YamlIssue {
  /** Told of an example by what came of it, not of how the sheet is written. */
  readonly ofExample?: boolean;
}

export type SheetReading =
  | { readonly ok: true; readonly sheet: Sheet; lineOf(path: readonly PropertyKey[]): number }
  | { readonly ok: false; readonly faults: readonly SheetIssue[] };

/**
 * Reads one mapping sheet: YAML text in, a compiled sheet or its faults out. Never throws on bad text.
 *
 * Limits: 64 KiB; YAML 1.2 core types only, aliases expanded at most 20 times.
 *
 * @param file as it should stand in a fault, such as `mappings/per_diem.yaml`
 */
export function readSheet(file: string, text: string): SheetReading {
  const reading = readYaml(file, text, { what: "the sheet", begin: 'start with "source_event:" and "targets:"' });
  if (!reading.ok) return reading;
  const { raw, lineOf } = reading;
  const inFile = ({ path, message }: PlacedIssue): YamlIssue => ({ file, line: lineOf(path), message });
  const parsed = sheetSchema.safeParse(raw);
  if (!parsed.success) {
    const faults = schemaIssues(parsed.error, raw).map(inFile);
    return { ok: false, faults: faults.sort((a, b) => a.line - b.line) };
  }
  const compiled = compileSheet(sheetName(file), parsed.data);
  return compiled.ok ? { ok: true, sheet: compiled.sheet, lineOf } : { ok: false, faults: compiled.faults.map(inFile) };
}

export interface SheetsReading {
  readonly sheets: readonly Sheet[];
  readonly faults: readonly SheetIssue[];
  /** What became of each example; those that fail are faults too. */
  readonly examples: readonly ExampleResult[];
  /** Things that work and may surprise. */
  readonly warnings: readonly SheetIssue[];
}

/** Reads every sheet, checks it against the connectors at hand, and runs its examples. */
export async function readSheets(
  files: readonly SheetFile[],
  catalog: Catalog,
  policy: Policy,
): Promise<SheetsReading> {
  const sheets: Sheet[] = [];
  const faults: SheetIssue[] = [];
  const warnings: SheetIssue[] = [];
  const examples: ExampleResult[] = [];
  const named = new Map<string, string>();
  for (const { file, text } of files) {
    const reading = readSheet(file, text);
    if (!reading.ok) {
      faults.push(...reading.faults);
      continue;
    }
    const { sheet, lineOf } = reading;
    const inFile = ({ path, ...fault }: PlacedIssue): SheetIssue => ({ file, line: lineOf(path), ...fault });
    const twin = named.get(sheet.name);
    if (twin) faults.push(inFile({ path: [], message: duplicateTargetIssue(twin) }));
    named.set(sheet.name, file);

    const checked = await checkSheet(sheet, catalog, policy);
    faults.push(...checked.faults.map(inFile));
    warnings.push(...checked.warnings.map(inFile));
    examples.push(...checked.examples);
    sheets.push(sheet);
  }
  return { sheets, faults, examples, warnings };
}
