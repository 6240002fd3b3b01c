import * as z from "zod";
import { type DataKind, dataKinds } from "../pii/finding.ts";
import type { JsonObject } from "../values/json.ts";

const kindsSchema = z.array(z.enum(dataKinds)).min(1, "names no kind");

const fieldSchema = z
  .string()
  .min(1, "is empty")
  .max(256)
  .describe("A field of the target. A star stands for any signs: *_email, address.*, * for every field.");

const className = z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/, "is not a name such as contact");

/** What belongs together: kinds the detectors find, fields by their names, or both. */
const classSchema = z
  .union([
    kindsSchema,
    z.strictObject({
      kinds: kindsSchema.optional().describe("What the detectors find."),
      fields: z
        .array(fieldSchema)
        .min(1, "names no field")
        .optional()
        .describe("Fields that hold it, by their names, at any depth."),
    }),
  ])
  .describe("A class of data: a list of kinds, or kinds and fields.");

export const actions = ["allow", "mask", "hash", "block"] as const;
export type Action = (typeof actions)[number];

const ruleSchema = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, "is not a rule's id such as approver-email-to-hr")
    .describe("Stands in the ledger."),
  field: fieldSchema.optional(),
  class: className.optional().describe("A class of data, as declared under classes."),
  connector: z.string().min(1).optional().describe("Only for this connector: WorkForceNow, or WorkForceNow@v2."),
  kinds: kindsSchema
    .optional()
    .describe("Only for values in which one of these is found. Absent: whatever the field holds."),
  action: z
    .enum(actions)
    .describe("allow; mask, which keeps the form; hash, a stable pseudonym; block, which holds the packet."),
});

/** What `governance.yaml` says. */
export const policySchema = z
  .strictObject({
    otherwise: z.enum(["mask", "block"]).default("block").describe("What becomes of personal data no rule speaks of."),
    classes: z.record(className, classSchema).optional().describe("Classes of data that rules speak of."),
    rules: z.array(ruleSchema).default([]).describe("The first rule that fits a field decides."),
  })
  .check(({ value: { rules, classes = {} }, issues }) => {
    const tell = (i: number, key: string, message: string) =>
      issues.push({ code: "custom", message, input: rules[i], path: ["rules", i, key] });
    for (const [i, rule] of rules.entries()) {
      if (rules.findIndex(({ id }) => id === rule.id) !== i)
        tell(i, "id", `"${rule.id}" stands twice; give each its own`);
      if (rule.field === undefined && rule.class === undefined)
        tell(i, "id", `${rule.id} fits nothing; give "field:" or "class:"`);
      if (rule.class !== undefined && rule.kinds)
        tell(i, "kinds", "a class says its kinds itself; give one of the two");
      if (rule.class !== undefined && !Object.hasOwn(classes, rule.class)) {
        const known = Object.keys(classes).join(", ") || "none";
        tell(i, "class", `"${rule.class}" is no class; declared under classes: ${known}`);
      }
    }
  });

export type Policy = z.output<typeof policySchema>;
export type Rule = Policy["rules"][number];

/** For an editor: `governance.yaml` as JSON Schema. */
export function policyJsonSchema(): JsonObject {
  return z.toJSONSchema(policySchema, { io: "input" }) as JsonObject;
}

/** A rule, ready to be held against fields. */
export interface CompiledRule {
  readonly id: string;
  readonly action: Action;
  /** Whether it speaks to packets for a connector. */
  forConnector(connector: string): boolean;
  /** Whether it fits a field by name and what was found in it. */
  fits(names: readonly string[], found: readonly DataKind[]): boolean;
  /** Whether it may fit something inside a field that holds an object or a list. */
  reachesInto(name: string): boolean;
}

const compiled = new WeakMap<Policy, readonly CompiledRule[]>();

/** A policy's rules, in their order. */
export function compiledRulesOf(policy: Policy): readonly CompiledRule[] {
  let clauses = compiled.get(policy);
  if (!clauses) {
    clauses = policy.rules.map((rule) => compiledRuleOf(rule, policy.classes ?? {}));
    compiled.set(policy, clauses);
  }
  return clauses;
}

function compiledRuleOf(rule: Rule, classes: NonNullable<Policy["classes"]>): CompiledRule {
  const { id, action, connector, field, kinds } = rule;
  const declared = rule.class === undefined ? undefined : classes[rule.class];
  const { kinds: classKinds = [], fields = [] } = Array.isArray(declared) ? { kinds: declared } : { ...declared };
  const named = field === undefined ? [] : [globOf(field)];
  const tagged = fields.map(globOf);
  // An allowance for e-mails does not let an SSN in the same text through.
  const covers = (found: readonly DataKind[], covered: readonly DataKind[]) =>
    action === "allow" ? found.every((kind) => covered.includes(kind)) : found.some((kind) => covered.includes(kind));
  const isAny = (globs: readonly Glob[], names: readonly string[]) =>
    globs.some((glob) => names.some((name) => fitsGlob(glob, name)));
  return {
    id,
    action,
    forConnector: (name) => connector === undefined || connector === name || connector === name.split("@")[0],
    fits(names, found) {
      if (field !== undefined && !isAny(named, names)) return false;
      if (kinds) return found.length > 0 && covers(found, kinds);
      if (!declared || (found.length > 0 && covers(found, classKinds))) return true;
      return isAny(tagged, [...names, ...names.map(ownName)]) && (found.length === 0 || action !== "allow");
    },
    reachesInto: (name) => (field === undefined ? tagged.length > 0 : named.some((glob) => mayFitBelow(glob, name))),
  };
}

/** What a field is called in the object it stands in: a class's `full_name` is one at any depth. */
function ownName(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

/** What stands between the stars of a pattern. A star stands for any signs, dots too. */
type Glob = readonly string[];

function globOf(pattern: string): Glob {
  return pattern.split("*");
}

/** Each part where it first stands: in time linear in the name's length for each part. */
function fitsGlob(glob: Glob, name: string): boolean {
  const [first = "", ...rest] = glob;
  const last = rest.pop();
  if (last === undefined) return name === first;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}

function mayFitBelow([first = "", ...rest]: Glob, name: string): boolean {
  const below = `${name}.`;
  return first.startsWith(below) || (rest.length > 0 && below.startsWith(first));
}
