import { hash } from "node:crypto";
import { inboundPrefix } from "../model/event.ts";
import type { SheetDocument, SheetExample } from "../model/sheet-document.ts";
import { canonicalJson } from "../values/canonical-json.ts";
import { type Reader, reader } from "../values/field-path.ts";
import type { JsonObject } from "../values/json.ts";
import { compileExpression, type Expression, ExpressionError } from "./expression.ts";

const unitsMs: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** One field of a target, compiled. */
export interface FieldPlan {
  readonly from: string;
  readonly to: string;
  readonly read: Reader;
  /** Where the event may give the value as it was before: `old_x` beside `new_x` or `x`, and `previous.x`. */
  readonly previous: readonly Reader[];
  readonly with?: Expression;
}

export interface Target {
  readonly name: string;
  /** As the sheet names it; the catalog says which version that is. Inbound: HMS, which is none. */
  readonly connector: string;
  /** Inbound: the type of the HMS event it becomes. */
  readonly publish?: string;
  /** ms since the epoch */
  readonly from?: number;
  readonly until?: number;
  /** Where the event has its elements, or the address of the file that has them. */
  readonly forEach?: Reader;
  readonly forEachPath?: string;
  /** The elements are the lines of a file. */
  readonly ndjson?: boolean;
  readonly key?: Reader;
  readonly keyPath?: string;
  readonly fields: readonly FieldPlan[];
  readonly set: JsonObject;
  readonly send: "changed" | "full";
  readonly action: "upsert" | "delete";
  /** No expression anywhere: the map step needs no promise. */
  readonly plain: boolean;
}

export interface Sheet {
  /** The file's name without its ending. */
  readonly name: string;
  /** SHA-256 of the canonical document without its examples: what events pin. */
  readonly hash: string;
  /** Without its examples. */
  readonly document: SheetDocument;
  readonly sourceEvents: readonly string[];
  readonly when?: Expression;
  readonly key?: Reader;
  readonly windowMs: number;
  readonly targets: readonly Target[];
  readonly examples: readonly SheetExample[];
}

/** One thing wrong with one place of a sheet's document. */
export interface PlacedIssue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** The name of the sheet a file holds. */
export function sheetName(file: string): string {
  return (file.split(/[\\/]/).at(-1) ?? file).replace(/\.ya?ml$/, "");
}

type Compiled =
  | { readonly ok: true; readonly sheet: Sheet }
  | { readonly ok: false; readonly faults: readonly PlacedIssue[] };

/** Compiles a checked document. Its faults carry the place in the document, which only the reader knows as a line. */
export function compileSheet(name: string, document: SheetDocument): Compiled {
  const faults: PlacedIssue[] = [];
  const compileAt = (source: string | undefined, path: PropertyKey[]): Expression | undefined => {
    if (source === undefined) return undefined;
    try {
      return compileExpression(source);
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      faults.push({ path, message: error.message });
      return undefined;
    }
  };

  const when = compileAt(document.when, ["when"]);
  const targets = Object.entries(document.targets).map(([targetName, target]): Target => {
    const at = ["targets", targetName];
    const fields = Object.entries(target.map ?? {}).map(([from, rule]): FieldPlan => {
      const to = typeof rule === "string" ? rule : rule.to;
      const compute = typeof rule === "string" ? undefined : compileAt(rule.with, [...at, "map", from, "with"]);
      return { from, to, read: reader(from), previous: previousReaders(from), ...(compute && { with: compute }) };
    });
    faults.push(...targetIssues(target, fields, at), ...directionIssues(document.direction, target, at));
    const { for_each: elements } = target;
    const elementsPath = typeof elements === "string" ? elements : elements?.ndjson;
    return {
      name: targetName,
      connector: target.connector ?? "HMS",
      ...(target.publish && { publish: target.publish }),
      ...(target.from && { from: Date.parse(target.from) }),
      ...(target.until && { until: Date.parse(target.until) }),
      ...(elementsPath && { forEach: reader(elementsPath.replace(/^data\./, "")), forEachPath: elementsPath }),
      ...(typeof elements === "object" && { ndjson: true }),
      ...(target.key && { key: reader(target.key), keyPath: target.key }),
      fields,
      set: (target.set ?? {}) as JsonObject,
      send: target.send,
      action: target.action,
      plain: fields.every((field) => !field.with),
    };
  });
  if (targets.length === 0) faults.push({ path: ["targets"], message: "targets is empty; name at least one target" });
  for (const type of [document.source_event].flat()) {
    if ((document.direction === "inbound") === type.startsWith(inboundPrefix)) continue;
    const message =
      document.direction === "inbound"
        ? `source_event ${type} does not come from outside; name a connector: ${inboundPrefix}PayrollConnector`
        : `source_event ${type} comes from outside; say "direction: inbound"`;
    faults.push({ path: ["source_event"], message });
  }
  if (faults.length > 0) return { ok: false, faults };

  const { examples, ...meaning } = document;
  return {
    ok: true,
    sheet: {
      name,
      hash: hash("sha256", canonicalJson(meaning)),
      document: meaning,
      sourceEvents: [document.source_event].flat(),
      ...(when && { when }),
      ...(document.key && { key: reader(document.key) }),
      windowMs: durationMs(document.consistency_window),
      targets,
      examples: examples ?? [],
    },
  };
}

function targetIssues(target: SheetDocument["targets"][string], fields: readonly FieldPlan[], at: PropertyKey[]) {
  const faults: PlacedIssue[] = [];
  const places = new Map<string, string>();
  const claim = (to: string, from: string, path: PropertyKey[]) => {
    for (const [taken, by] of places) {
      if (taken === to) faults.push({ path, message: `${from} and ${by} both map to ${to}; keep one` });
      else if (taken.startsWith(`${to}.`) || to.startsWith(`${taken}.`)) {
        faults.push({ path, message: `${from} maps to ${to}, which cannot stand beside ${taken}` });
      }
    }
    places.set(to, from);
  };
  for (const field of fields) claim(field.to, field.from, [...at, "map", field.from]);
  for (const to of Object.keys(target.set ?? {})) claim(to, `set.${to}`, [...at, "set", to]);

  if (fields.length === 0 && target.action === "upsert") {
    faults.push({ path: at, message: `${String(at[1])} maps no field; give "map:"` });
  }
  if (target.from && target.until && Date.parse(target.from) >= Date.parse(target.until)) {
    faults.push({ path: [...at, "until"], message: "until is not after from; no event would go to this target" });
  }
  return faults;
}

/** An outbound target is a connector, an inbound one an event's type. */
function directionIssues(
  direction: SheetDocument["direction"],
  { connector, publish, action, from, until }: SheetDocument["targets"][string],
  path: PropertyKey[],
): PlacedIssue[] {
  const fault = (key: string, message: string): PlacedIssue[] => [{ path: [...path, key], message }];
  if (direction === "outbound") {
    if (connector === undefined) return fault("connector", "connector is missing; name a file of connectors/");
    return publish === undefined ? [] : fault("publish", 'publish stands in a sheet with "direction: inbound" only');
  }
  if (publish === undefined) return fault("publish", "publish is missing; name the type of the HMS event it becomes");
  if (connector !== undefined)
    return fault("connector", "connector has no place in an inbound sheet: HMS is the target");
  if (action === "delete") return fault("action", "action has no place in an inbound sheet: an event's type says it");
  if (from !== undefined || until !== undefined)
    return fault("from", "from and until have no place in an inbound sheet");
  return [];
}

/** `new_rate` has `old_rate` beside it; `rate` may have `old_rate`; both may stand in a `previous` object. */
function previousReaders(from: string): Reader[] {
  const names = from.split(".");
  const last = names.pop() as string;
  const bare = last.startsWith("new_") ? last.slice(4) : last;
  const beside = [...names, `old_${bare}`].join(".");
  return [reader(beside), ...[...new Set([from, [...names, bare].join(".")])].map((p) => reader(`previous.${p}`))];
}

function durationMs(text: string): number {
  const [, count, unit] = /^(\d+)(\w+)$/.exec(text) as unknown as [string, string, string];
  return Number(count) * (unitsMs[unit] as number);
}
