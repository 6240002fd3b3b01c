import { hash } from "node:crypto";
import canonicalize from "canonicalize";
import { type Document, isMap, isPair, isScalar, LineCounter, parseDocument } from "yaml";
import * as z from "zod";
import { compileExpression, type Expression, ExpressionFault } from "./expression.ts";
import { isJsonObject, type Json, type JsonObject, jsonFault } from "./json.ts";
import { pathFault, type Reader, reader } from "./path.ts";

/** A sheet's largest size. The compiled set has 500 KB on AWS AppConfig; no single sheet needs a tenth of it. */
const maxSheetBytes = 65_536;

const unitsMs: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const duration = z
  .string('is not a time such as "60s"')
  .regex(/^\d{1,6}(ms|s|m|h|d)$/, 'is not a time such as "60s", "5m", "2h" or "1d"')
  .describe("A time: a number with ms, s, m, h or d.");

const path = z.string("is not a field's path").check((check) => {
  const fault = pathFault(check.value);
  if (fault) check.issues.push({ code: "custom", message: fault, input: check.value });
});

const expression = z.string("is not an expression").min(1, "is an empty expression").describe("A JSONata expression.");

const instant = z.iso
  .datetime({ offset: true, error: "is not a time such as 2026-12-01T00:00:00Z" })
  .describe("A time with its zone: 2026-12-01T00:00:00Z.");

const mapping = z.union(
  [
    path.describe("The target's field; dots nest."),
    z.strictObject({
      to: path.describe("The target's field; dots nest."),
      with: expression.optional().describe("JSONata over the value; $event, $data and $element are at hand."),
    }),
  ],
  'maps to nothing; give the target\'s field, or "to:"',
);

const targetSchema = z.strictObject({
  connector: z
    .string("is missing; name a file of connectors/")
    .regex(
      /^[A-Za-z][A-Za-z0-9-]{0,47}(@v\d{1,4})?$/,
      "is not a connector's name such as PayrollConnector or WorkForceNow@v2",
    )
    .describe("What delivers to this target: PayrollConnector, or WorkForceNow@v2."),
  from: instant.optional().describe("Events accepted before this time do not go to this target."),
  until: instant.optional().describe("Events accepted from this time on do not go to this target."),
  for_each: path.optional().describe("An array in the event's data: one packet an element."),
  key: path.optional().describe("Which field says what record changed; of the element where for_each is given."),
  map: z.record(path, mapping, "is missing; give at least one field").optional(),
  set: z.record(path, z.json()).optional().describe("Fixed fields, sent along with every change."),
  send: z.enum(["changed", "full"], 'is neither "changed" nor "full"').default("changed"),
  action: z.enum(["upsert", "delete"], 'is neither "upsert" nor "delete"').default("upsert"),
});

const exampleSchema = z.strictObject({
  name: z.string("is missing; say what the example shows"),
  event: z.looseObject({ type: z.string() }).describe("A source event; id, source and time may be left out."),
  expect: z
    .record(z.string(), z.union([z.record(z.string(), z.json()), z.array(z.record(z.string(), z.json())), z.null()]))
    .describe("Per target the fields it should get, a list of them for for_each, or null for none."),
});

const sheetSchema = z.strictObject({
  source_event: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)], "is missing; name the event type, or a list of them")
    .describe("Which events: the CloudEvents type, or a list of types."),
  when: expression.optional().describe("JSONata over the whole event; the sheet applies where it gives true."),
  key: path.optional().describe("Which record changed: data.policyId. Default: subject, else data.id."),
  consistency_window: duration.default("60s"),
  direction: z.enum(["outbound"], 'is not "outbound"').default("outbound"),
  targets: z.record(
    z.string().regex(/^[a-z][a-z0-9_-]{0,31}$/, "is not a target's name such as payroll"),
    targetSchema,
    "is missing; name at least one target",
  ),
  examples: z.array(exampleSchema).optional(),
});

/** What a sheet says, as stored by hash and compiled again by whoever needs it. */
export type SheetDocument = z.output<typeof sheetSchema>;
export type SheetExample = z.output<typeof exampleSchema>;

/** The JSON Schema of a sheet, so that an editor completes and checks while one types. */
export function sheetJsonSchema(): JsonObject {
  return {
    ...(z.toJSONSchema(sheetSchema, { io: "input", target: "draft-7" }) as JsonObject),
    title: "HMS Sync Bridge mapping sheet",
  };
}

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
  /** As the sheet names it; the catalog says which version that is. */
  readonly connector: string;
  /** ms since the epoch */
  readonly from?: number;
  readonly until?: number;
  readonly forEach?: Reader;
  readonly forEachPath?: string;
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

/** One thing wrong with one place of one sheet. */
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
    const faults = parsed.error.issues.flatMap((issue) => issueFaults(issue, raw, lineOf, fault));
    return { ok: false, faults: faults.sort((a, b) => a.line - b.line) };
  }
  const compiled = compileSheet(sheetName(file), parsed.data);
  return compiled.ok
    ? { ok: true, sheet: compiled.sheet, lineOf }
    : { ok: false, faults: compiled.faults.map(({ path, message }) => fault(lineOf(path), message)) };
}

export function sheetName(file: string): string {
  return (file.split(/[\\/]/).at(-1) ?? file).replace(/\.ya?ml$/, "");
}

type Compiled =
  | { readonly ok: true; readonly sheet: Sheet }
  | { readonly ok: false; readonly faults: readonly { path: PropertyKey[]; message: string }[] };

/** Compiles a checked document. Its faults carry the place in the document, which only the reader knows as a line. */
export function compileSheet(name: string, document: SheetDocument): Compiled {
  const faults: { path: PropertyKey[]; message: string }[] = [];
  const compileAt = (source: string | undefined, path: PropertyKey[]): Expression | undefined => {
    if (source === undefined) return undefined;
    try {
      return compileExpression(source);
    } catch (error) {
      if (!(error instanceof ExpressionFault)) throw error;
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
    faults.push(...targetFaults(target, fields, at));
    return {
      name: targetName,
      connector: target.connector,
      ...(target.from && { from: Date.parse(target.from) }),
      ...(target.until && { until: Date.parse(target.until) }),
      ...(target.for_each && { forEach: reader(target.for_each.replace(/^data\./, "")), forEachPath: target.for_each }),
      ...(target.key && { key: reader(target.key), keyPath: target.key }),
      fields,
      set: (target.set ?? {}) as JsonObject,
      send: target.send,
      action: target.action,
      plain: fields.every((field) => !field.with),
    };
  });
  if (targets.length === 0) faults.push({ path: ["targets"], message: "targets is empty; name at least one target" });
  if (faults.length > 0) return { ok: false, faults };

  const { examples, ...meaning } = document;
  return {
    ok: true,
    sheet: {
      name,
      hash: hash("sha256", canonicalize(meaning) as string),
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

function targetFaults(target: SheetDocument["targets"][string], fields: readonly FieldPlan[], at: PropertyKey[]) {
  const faults: { path: PropertyKey[]; message: string }[] = [];
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

function lineOfPath(yaml: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
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

function issueFaults(
  issue: z.core.$ZodIssue,
  raw: Json,
  lineOf: (path: readonly PropertyKey[]) => number,
  fault: (line: number, message: string) => SheetFault,
): SheetFault[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const known = knownKeys(issue.path);
      const near = nearest(key, known);
      const remedy = near ? `did you mean "${near}"?` : `known here: ${known.join(", ")}`;
      return fault(lineOf([...issue.path, key]), `unknown key "${key}"; ${remedy}`);
    });
  }
  if (issue.code === "invalid_key") {
    const key = String(issue.path.at(-1));
    return [fault(lineOf(issue.path), `${key}: ${issue.issues[0]?.message ?? "is not a name"}`)];
  }
  if (issue.code === "invalid_union") {
    const inner = mostTelling(issue, at(raw, issue.path));
    if (inner) {
      return issueFaults({ ...inner, path: [...issue.path, ...inner.path] } as z.core.$ZodIssue, raw, lineOf, fault);
    }
  }
  const name = issue.path.at(-1);
  const subject =
    name === undefined
      ? "the sheet"
      : typeof name === "number"
        ? `${String(issue.path.at(-2))}[${name}]`
        : String(name);
  return [fault(lineOf(issue.path), issue.message.startsWith('"') ? issue.message : `${subject} ${issue.message}`)];
}

/** Of a union's branches, the one the writer meant: an object was given, so the object branch's fault is told. */
function mostTelling(issue: z.core.$ZodIssueInvalidUnion, given: Json | undefined): z.core.$ZodIssue | undefined {
  if (given === null || given === undefined) return undefined;
  return issue.errors
    .flat()
    .find(
      (inner) =>
        !(inner.code === "invalid_type" && inner.path.length === 0) &&
        (isJsonObject(given) ? inner.path.length > 0 || inner.code === "unrecognized_keys" : inner.code === "custom"),
    );
}

function at(raw: Json, path: readonly PropertyKey[]): Json | undefined {
  let here: Json | undefined = raw;
  for (const key of path) {
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, key)) return undefined;
    here = (here as Record<PropertyKey, Json>)[key];
  }
  return here;
}

function knownKeys(path: readonly PropertyKey[]): string[] {
  if (path[0] === "targets" && path[2] === "map") return ["to", "with"];
  if (path[0] === "targets") return Object.keys(targetSchema.shape);
  if (path[0] === "examples") return Object.keys(exampleSchema.shape);
  return Object.keys(sheetSchema.shape);
}

/** The known key at most two edits away. */
function nearest(key: string, known: readonly string[]): string | undefined {
  return known
    .map((candidate) => ({ candidate, distance: editDistance(key, candidate) }))
    .filter(({ distance }) => distance <= 2)
    .sort((a, b) => a.distance - b.distance)[0]?.candidate;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= Math.min(a.length, 64); i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, substitute));
    }
    row = next;
  }
  return row[b.length] as number;
}
