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
  /** Readers of the previous value, if the event has one: `old_x` next to `new_x` or `x`, and `previous.x`. */
  readonly previous: readonly Reader[];
  readonly with?: Expression;
}

/** One target of a sheet, compiled. */
export interface Target {
  readonly name: string;
  /** The connector as the sheet names it; the catalog resolves its version. `HMS` for an inbound target. */
  readonly connector: string;
  /** Type of the HMS event that an inbound target publishes. */
  readonly publish?: string;
  /** Period in which the target takes events, in ms since the epoch: `from` inclusive, `until` exclusive. */
  readonly from?: number;
  readonly until?: number;
  /** Reads from the event's data the elements, or the address of the file that contains them. */
  readonly forEach?: Reader;
  readonly forEachPath?: string;
  /** True if the elements are the lines of a file. */
  readonly ndjson?: boolean;
  readonly key?: Reader;
  readonly keyPath?: string;
  readonly fields: readonly FieldPlan[];
  readonly set: JsonObject;
  readonly send: "changed" | "full";
  readonly action: "upsert" | "delete";
  /** True if no field has an expression, so mapping is synchronous. */
  readonly plain: boolean;
}

/** A compiled mapping sheet. */
export interface Sheet {
  /** The file's name without its extension. */
  readonly name: string;
  /** SHA-256 of the canonical document without its examples. Events pin this hash. */
  readonly hash: string;
  /** The document without its examples. */
  readonly document: SheetDocument;
  readonly sourceEvents: readonly string[];
  readonly when?: Expression;
  readonly key?: Reader;
  readonly windowMs: number;
  readonly targets: readonly Target[];
  readonly examples: readonly SheetExample[];
}

/** One problem with a sheet, located by its path in the document. */
export interface PlacedIssue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Returns the name of the sheet in a file. */
export function sheetName(file: string): string {
  return (file.split(/[\\/]/).at(-1) ?? file).replace(/\.ya?ml$/, "");
}

type CompileResult =
  | { readonly ok: true; readonly sheet: Sheet }
  | { readonly ok: false; readonly issues: readonly PlacedIssue[] };

/** Compiles a document that passed the schema. Issues are located by path, which the file's reader converts to a line. */
export function compileSheet(name: string, document: SheetDocument): CompileResult {
  const issues: PlacedIssue[] = [];
  const when = compileAt(document.when, ["when"], issues);
  const targets = Object.entries(document.targets).map(([targetName, target]): Target => {
    const at = ["targets", targetName];
    const fields = fieldPlans(target, at, issues);
    issues.push(...targetIssues(target, fields, at), ...directionIssues(document.direction, target, at));
    return compiledTarget(targetName, target, fields);
  });
  if (targets.length === 0) issues.push({ path: ["targets"], message: "targets is empty; add at least one target" });
  issues.push(...sourceEventIssues(document));
  if (issues.length > 0) return { ok: false, issues };

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

/** Compiles an expression. If it does not compile, adds an issue and returns `undefined`. */
function compileAt(source: string | undefined, path: PropertyKey[], issues: PlacedIssue[]): Expression | undefined {
  if (source === undefined) return undefined;
  try {
    return compileExpression(source);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    issues.push({ path, message: error.message });
    return undefined;
  }
}

type TargetDocument = SheetDocument["targets"][string];

function fieldPlans(target: TargetDocument, at: PropertyKey[], issues: PlacedIssue[]): FieldPlan[] {
  return Object.entries(target.map ?? {}).map(([from, rule]): FieldPlan => {
    const to = typeof rule === "string" ? rule : rule.to;
    const compute = typeof rule === "string" ? undefined : compileAt(rule.with, [...at, "map", from, "with"], issues);
    return { from, to, read: reader(from), previous: previousReaders(from), ...(compute && { with: compute }) };
  });
}

function compiledTarget(name: string, target: TargetDocument, fields: readonly FieldPlan[]): Target {
  const { for_each: elements } = target;
  const elementsPath = typeof elements === "string" ? elements : elements?.ndjson;
  return {
    name,
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
}

/** Inbound sheets take only events from outside systems; outbound sheets take none of them. */
function sourceEventIssues({ direction, source_event }: SheetDocument): PlacedIssue[] {
  return [source_event].flat().flatMap((type) => {
    if ((direction === "inbound") === type.startsWith(inboundPrefix)) return [];
    const message =
      direction === "inbound"
        ? `source_event ${type} is not an inbound type; name a connector, as in ${inboundPrefix}PayrollConnector`
        : `source_event ${type} is an inbound type; add "direction: inbound"`;
    return [{ path: ["source_event"], message }];
  });
}

function targetIssues(target: SheetDocument["targets"][string], fields: readonly FieldPlan[], at: PropertyKey[]) {
  const issues: PlacedIssue[] = [];
  const places = new Map<string, string>();
  const claim = (to: string, from: string, path: PropertyKey[]) => {
    for (const [taken, owner] of places) {
      if (taken === to) issues.push({ path, message: `${from} and ${owner} both map to ${to}; keep one` });
      else if (taken.startsWith(`${to}.`) || to.startsWith(`${taken}.`)) {
        issues.push({ path, message: `${from} maps to ${to}, which conflicts with ${taken}` });
      }
    }
    places.set(to, from);
  };
  for (const field of fields) claim(field.to, field.from, [...at, "map", field.from]);
  for (const to of Object.keys(target.set ?? {})) claim(to, `set.${to}`, [...at, "set", to]);

  if (fields.length === 0 && target.action === "upsert") {
    issues.push({ path: at, message: `${String(at[1])} maps no field; add "map:"` });
  }
  if (target.from && target.until && Date.parse(target.from) >= Date.parse(target.until)) {
    issues.push({ path: [...at, "until"], message: "until is not after from, so no event would reach this target" });
  }
  return issues;
}

/** Outbound targets must name a connector, and inbound targets an event type. */
function directionIssues(
  direction: SheetDocument["direction"],
  { connector, publish, action, from, until }: SheetDocument["targets"][string],
  path: PropertyKey[],
): PlacedIssue[] {
  const issue = (key: string, message: string): PlacedIssue[] => [{ path: [...path, key], message }];
  if (direction === "outbound") {
    if (connector === undefined) return issue("connector", "connector is missing; name a connector from connectors/");
    return publish === undefined ? [] : issue("publish", 'publish is allowed only with "direction: inbound"');
  }
  if (publish === undefined) return issue("publish", "publish is missing; name the type of the HMS event it becomes");
  if (connector !== undefined)
    return issue("connector", "connector is not allowed in an inbound sheet: HMS is the target");
  if (action === "delete")
    return issue(
      "action",
      "action: delete is not allowed in an inbound sheet; publish an event type that means a deletion",
    );
  if (from !== undefined || until !== undefined)
    return issue("from", "from and until are not allowed in an inbound sheet");
  return [];
}

/** Returns readers for a field's previous value: `old_rate` next to `new_rate` or `rate`, or `previous.rate`. */
function previousReaders(from: string): Reader[] {
  const names = from.split(".");
  const last = names.pop() as string;
  const bare = last.startsWith("new_") ? last.slice(4) : last;
  const sibling = [...names, `old_${bare}`].join(".");
  return [reader(sibling), ...[...new Set([from, [...names, bare].join(".")])].map((p) => reader(`previous.${p}`))];
}

function durationMs(text: string): number {
  const [, count, unit] = /^(\d+)(\w+)$/.exec(text) as unknown as [string, string, string];
  return Number(count) * (unitsMs[unit] as number);
}
