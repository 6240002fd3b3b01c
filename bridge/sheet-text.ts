import { type Document, isMap, isPair, isScalar, LineCounter, parseDocument } from "yaml";
import type { Catalog } from "./connector.ts";
import { isJsonObject, jsonFault } from "./json.ts";
import type { Policy } from "./policy.ts";
import { compileSheet, type PlacedFault, type Sheet, sheetName, sheetSchema } from "./sheet.ts";
import { schemaFaults } from "./sheet-faults.ts";
import { checkSheet, twinFault } from "./sheets.ts";
import type { ExampleResult } from "./try.ts";

/** A sheet's largest size. The compiled set has 500 KB on AWS AppConfig; no single sheet needs a tenth of it. */
const maxSheetBytes = 65_536;

export interface SheetFile {
  /** As it should stand in a fault: `mappings/per_diem.yaml` */
  readonly file: string;
  readonly text: string;
}

/** One thing wrong with one line of one sheet. */
export interface SheetFault {
  readonly file: string;
  readonly line: number;
  readonly message: string;
  /** Told of an example by what came of it, not of how the sheet is written. */
  readonly ofExample?: boolean;
}

export function faultText(fault: SheetFault): string {
  return `${fault.file}:${fault.line}: ${fault.message}`;
}

export type SheetReading =
  | { readonly ok: true; readonly sheet: Sheet; lineOf(path: readonly PropertyKey[]): number }
  | { readonly ok: false; readonly faults: readonly SheetFault[] };

/**
 * Reads one mapping sheet: YAML text in, a compiled sheet or its faults out. Never throws on bad text.
 *
 * Limits: 64 KiB; YAML 1.2 core types only, aliases expanded at most 20 times.
 *
 * @param file as it should stand in a fault, such as `mappings/per_diem.yaml`
 */
export function readSheet(file: string, text: string): SheetReading {
  if (Buffer.byteLength(text) > maxSheetBytes) {
    return {
      ok: false,
      faults: [{ file, line: 1, message: `the sheet is larger than ${maxSheetBytes} bytes; split it` }],
    };
  }
  const lines = new LineCounter();
  const yaml = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const fault = (line: number, message: string): SheetFault => ({ file, line, message });
  const lineOf = (path: readonly PropertyKey[]) => lineOfPath(yaml, lines, path);

  if (yaml.errors.length > 0) {
    return {
      ok: false,
      faults: yaml.errors.map((error) =>
        fault(lines.linePos(error.pos[0]).line, yamlMessage(error.code, error.message)),
      ),
    };
  }
  let raw: unknown;
  try {
    raw = yaml.toJS({ maxAliasCount: 20 });
  } catch {
    return { ok: false, faults: [fault(1, "the sheet's aliases expand too far; write the values out")] };
  }
  if (!isJsonObject(raw)) {
    return { ok: false, faults: [fault(1, 'the sheet is empty; start with "source_event:" and "targets:"')] };
  }
  const hostile = jsonFault(raw);
  if (hostile) return { ok: false, faults: [fault(lineOfKeyNamed(yaml, lines, hostile), hostile)] };

  const parsed = sheetSchema.safeParse(raw);
  if (!parsed.success) {
    const faults = schemaFaults(parsed.error, raw).map(({ path, message }) => fault(lineOf(path), message));
    return { ok: false, faults: faults.sort((a, b) => a.line - b.line) };
  }
  const compiled = compileSheet(sheetName(file), parsed.data);
  return compiled.ok
    ? { ok: true, sheet: compiled.sheet, lineOf }
    : { ok: false, faults: compiled.faults.map(({ path, message }) => fault(lineOf(path), message)) };
}

export interface SheetsReading {
  readonly sheets: readonly Sheet[];
  readonly faults: readonly SheetFault[];
  /** What became of each example; those that fail are faults too. */
  readonly examples: readonly ExampleResult[];
  /** Things that work and may surprise. */
  readonly warnings: readonly SheetFault[];
}

/** Reads every sheet, checks it against the connectors at hand, and runs its examples. */
export async function readSheets(
  files: readonly SheetFile[],
  catalog: Catalog,
  policy: Policy,
): Promise<SheetsReading> {
  const sheets: Sheet[] = [];
  const faults: SheetFault[] = [];
  const warnings: SheetFault[] = [];
  const examples: ExampleResult[] = [];
  const named = new Map<string, string>();
  for (const { file, text } of files) {
    const reading = readSheet(file, text);
    if (!reading.ok) {
      faults.push(...reading.faults);
      continue;
    }
    const { sheet, lineOf } = reading;
    const inFile = ({ path, ...fault }: PlacedFault): SheetFault => ({ file, line: lineOf(path), ...fault });
    const twin = named.get(sheet.name);
    if (twin) faults.push(inFile({ path: [], message: twinFault(twin) }));
    named.set(sheet.name, file);

    const checked = await checkSheet(sheet, catalog, policy);
    faults.push(...checked.faults.map(inFile));
    warnings.push(...checked.warnings.map(inFile));
    examples.push(...checked.examples);
    sheets.push(sheet);
  }
  return { sheets, faults, examples, warnings };
}

/** The line of what a path leads to, or of the nearest thing on the way there. */
export function lineOfPath(yaml: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  let node: unknown = yaml.contents;
  let offset = rangeStart(node);
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
      if (!isPair(pair)) break;
      offset = rangeStart(pair.key) ?? offset;
      node = pair.value;
    } else {
      const next: unknown =
        typeof node === "object" && node && "get" in node
          ? (node as { get(k: unknown, keep: true): unknown }).get(key, true)
          : undefined;
      if (!next) break;
      offset = rangeStart(next) ?? offset;
      node = next;
    }
  }
  return offset === undefined ? 1 : lines.linePos(offset).line;
}

function rangeStart(node: unknown): number | undefined {
  return typeof node === "object" && node !== null && "range" in node && Array.isArray(node.range)
    ? (node.range[0] as number)
    : undefined;
}

/** A hostile key is named in the fault's text; its line is where that text first stands. */
function lineOfKeyNamed(yaml: Document, lines: LineCounter, message: string): number {
  const path = message.split(":")[0]?.split(".") ?? [];
  return lineOfPath(yaml, lines, path);
}

function yamlMessage(code: string, message: string): string {
  if (code === "DUPLICATE_KEY") return "the same key stands twice; keep one";
  return `not YAML: ${message.split("\n")[0]}`;
}
