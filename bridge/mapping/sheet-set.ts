import type { Policy } from "../governance/policy.ts";
import type { Sheet } from "./compile-sheet.ts";

/** The sheets and the policy in force. A set is immutable and is only replaced as a whole. */
export interface SheetSet {
  readonly sheets: readonly Sheet[];
  readonly byType: ReadonlyMap<string, readonly Sheet[]>;
  readonly policy: Policy;
}

export function sheetSet(sheets: readonly Sheet[], policy: Policy): SheetSet {
  const byType = new Map<string, Sheet[]>();
  for (const sheet of sheets) {
    for (const type of sheet.sourceEvents) byType.set(type, [...(byType.get(type) ?? []), sheet]);
  }
  return { sheets, byType, policy };
}

/**
 * Restricts sheets to the given targets. Sheets without any of them are omitted.
 *
 * @param targets `sheet.target`
 */
export function onlyTargets(sheets: readonly Sheet[], targets: readonly string[]): Sheet[] {
  return sheets.flatMap((sheet) => {
    const chosen = sheet.targets.filter(({ name }) => targets.includes(`${sheet.name}.${name}`));
    return chosen.length > 0 ? [{ ...sheet, targets: chosen }] : [];
  });
}
