import type { Catalog } from "./connector.ts";
import { connectorId } from "./connector.ts";
import { readSheet, type Sheet, type SheetFault } from "./sheet.ts";
import { type ExampleResult, testSheet } from "./try.ts";
import type { Policy } from "./vet.ts";

/** The sheets and the policy in force: never changed, only replaced whole. */
export interface SheetSet {
  readonly sheets: readonly Sheet[];
  readonly byType: ReadonlyMap<string, readonly Sheet[]>;
  readonly policy: Policy;
}

export interface SheetFile {
  /** As it should stand in a fault: `mappings/per_diem.yaml` */
  readonly file: string;
  readonly text: string;
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
    const at = (path: PropertyKey[], message: string): SheetFault => ({ file, line: lineOf(path), message });
    const twin = named.get(sheet.name);
    if (twin) faults.push(at([], `${twin} has the same name; packets are told apart by it`));
    named.set(sheet.name, file);

    const connectors = new Map<string, string>();
    for (const target of sheet.targets) {
      const place = ["targets", target.name];
      const found = catalog.find(target.connector);
      if ("fault" in found) {
        faults.push(at([...place, "connector"], found.fault));
        continue;
      }
      if (target.action === "delete" && !found.connector.deletes) {
        faults.push(at([...place, "action"], `${target.connector} cannot delete; clear its fields with null instead`));
      }
      const id = connectorId(found.connector);
      const other = connectors.get(id);
      if (other)
        faults.push(at([...place, "connector"], `${target.name} and ${other} both go to ${id}; make them one target`));
      connectors.set(id, target.name);
    }
    for (const [i, example] of sheet.examples.entries()) {
      for (const name of Object.keys(example.expect)) {
        if (!sheet.targets.some((target) => target.name === name)) {
          faults.push(
            at(["examples", i, "expect", name], `the example expects "${name}", which is no target of this sheet`),
          );
        }
      }
    }
    for (const [i, result] of (await testSheet(sheet, policy)).entries()) {
      examples.push(result);
      for (const fault of result.faults) {
        faults.push({ ...at(["examples", i], `the example "${result.example}" fails: ${fault}`), ofExample: true });
      }
    }
    if (!sheet.key && sheet.targets.some((target) => !target.key && !target.forEach)) {
      warnings.push(
        at(["targets"], `no "key:": events without a subject or data.id count as one record, called ${sheet.name}`),
      );
    }
    sheets.push(sheet);
  }
  return { sheets, faults, examples, warnings };
}

export function sheetSet(sheets: readonly Sheet[], policy: Policy): SheetSet {
  const byType = new Map<string, Sheet[]>();
  for (const sheet of sheets) {
    for (const type of sheet.sourceEvents) byType.set(type, [...(byType.get(type) ?? []), sheet]);
  }
  return { sheets, byType, policy };
}
