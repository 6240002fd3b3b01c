import type { Policy } from "../governance/policy.ts";
import { type Catalog, connectorId } from "../model/connector.ts";
import { inboundPrefix } from "../model/event.ts";
import type { PlacedIssue, Sheet, Target } from "./compile-sheet.ts";
import { type ExampleResult, testSheet } from "./try-sheet.ts";

/** Result of checking one sheet. */
export interface SheetCheck {
  /** Problems. `ofExample` is true if the problem is an example's result, as opposed to how the sheet is written. */
  readonly issues: readonly (PlacedIssue & { readonly ofExample?: true })[];
  /** Result of each example. A failed example is also in `issues`. */
  readonly examples: readonly ExampleResult[];
  /** Things that work but may surprise the author. */
  readonly warnings: readonly PlacedIssue[];
}

/** Checks a compiled sheet against the installed connectors, and runs its examples. */
export async function checkSheet(sheet: Sheet, catalog: Catalog, policy: Policy): Promise<SheetCheck> {
  const issues: SheetCheck["issues"][number][] = connectorIssues(sheet, catalog);
  for (const [i, example] of sheet.examples.entries()) {
    for (const name of Object.keys(example.expect)) {
      if (sheet.targets.some((target) => target.name === name)) continue;
      const message = `the example expects "${name}", which is not a target of this sheet`;
      issues.push({ path: ["examples", i, "expect", name], message });
    }
  }
  const examples = await testSheet(sheet, policy);
  for (const [i, result] of examples.entries()) {
    for (const difference of result.differs) {
      const message = `the example "${result.example}" fails: ${difference}; "bridge sheets test" shows the values`;
      issues.push({ path: ["examples", i], message, ofExample: true });
    }
  }
  const isKeyless = (target: Target) => !target.key && !target.forEach && !target.publish;
  const keyless = !sheet.key && sheet.targets.some(isKeyless);
  const message = `no "key:"; events without a subject or data.id all change one record, named ${sheet.name}`;
  const warnings = [...(keyless ? [{ path: ["targets"], message }] : []), ...versionWarnings(sheet, catalog)];
  return { issues, examples, warnings };
}

/** Warns about a connector name without a version if several versions exist. Such a name refers to the oldest. */
function versionWarnings(sheet: Sheet, catalog: Catalog): PlacedIssue[] {
  return sheet.targets.flatMap(({ name, connector }) => {
    const [oldest, ...newer] = catalog.versionsOf(connector).map(connectorId);
    if (oldest === undefined || newer.length === 0) return [];
    const versions = [oldest, ...newer].join(" or ");
    const message = `${connector} has several versions and refers to ${oldest}; write ${versions}`;
    return [{ path: ["targets", name, "connector"], message }];
  });
}

function connectorIssues(sheet: Sheet, catalog: Catalog): PlacedIssue[] {
  const issues: PlacedIssue[] = [];
  const connectors = new Map<string, string>();
  if (sheet.document.direction === "inbound") return senderIssues(sheet, catalog);
  for (const target of sheet.targets) {
    const place = ["targets", target.name];
    const found = catalog.find(target.connector);
    if ("issue" in found) {
      issues.push({ path: [...place, "connector"], message: found.issue });
      continue;
    }
    if (target.action === "delete" && !found.connector.deletes) {
      const message = `${target.connector} cannot delete; clear its fields with null instead`;
      issues.push({ path: [...place, "action"], message });
    }
    const id = connectorId(found.connector);
    const other = connectors.get(id);
    if (other) {
      const message = `${target.name} and ${other} both go to ${id}; merge them into one target`;
      issues.push({ path: [...place, "connector"], message });
    }
    connectors.set(id, target.name);
  }
  return issues;
}

function senderIssues({ sourceEvents }: Sheet, catalog: Catalog): PlacedIssue[] {
  const names = [...new Set(catalog.ids.map((id) => id.split("@")[0]))];
  return sourceEvents.flatMap((type) => {
    const name = type.slice(inboundPrefix.length);
    if (names.includes(name)) return [];
    const message = `no connector is called ${name || "that"}; installed: ${names.join(", ") || "none"}`;
    return [{ path: ["source_event"], message }];
  });
}

/** Returns the message for a sheet with the same name as another. */
export function duplicateNameIssue(file: string): string {
  return `${file} has the same name; rename one, because packets are identified by the sheet's name`;
}
