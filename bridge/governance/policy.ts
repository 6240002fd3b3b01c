import * as z from "zod";
import { type DataKind, dataKinds } from "../pii/finding.ts";
import type { JsonObject } from "../values/json.ts";

const kindsSchema = z.array(z.enum(dataKinds)).min(1, "lists no kind");

const fieldSchema = z
  .string()
  .min(1, "is empty")
  .max(256)
  .describe("A field of the target. A star matches any characters: *_email, address.*, * for every field.");

const className = z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/, "is not a name such as contact");

/** A class of data: kinds that the detectors find, fields by name, or both. */
const classSchema = z
  .union([
    kindsSchema,
    z.strictObject({
      kinds: kindsSchema.optional().describe("Kinds that the detectors find."),
      fields: z
        .array(fieldSchema)
        .min(1, "lists no field")
        .optional()
        .describe("Fields that hold the data, by name, at any depth."),
    }),
  ])
  .describe("A class of data: a list of kinds, or kinds and fields.");

export const actions = ["allow", "mask", "hash", "block"] as const;
export type Action = (typeof actions)[number];

const ruleSchema = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, "is not a rule's id such as approver-email-to-hr")
    .describe("The rule's id, as recorded in the ledger."),
  field: fieldSchema.optional(),
  class: className.optional().describe("A class of data, as declared under classes."),
  connector: z.string().min(1).optional().describe("Only for this connector: WorkForceNow, or WorkForceNow@v2."),
  kinds: kindsSchema
    .optional()
    .describe("Only for values in which one of these kinds is found. If absent, for any value."),
  action: z
    .enum(actions)
    .describe("allow; mask, which keeps the form; hash, a stable pseudonym; block, which holds the packet."),
});

/** Schema of `governance.yaml`. */
export const policySchema = z
  .strictObject({
    otherwise: z.enum(["mask", "block"]).default("block").describe("The action for personal data that no rule covers."),
    classes: z.record(className, classSchema).optional().describe("Classes of data that rules refer to."),
    rules: z.array(ruleSchema).default([]).describe("The first rule that fits a field decides."),
  })
  .check(({ value: { rules, classes = {} }, issues }) => {
    const addIssue = (i: number, key: string, message: string) =>
      issues.push({ code: "custom", message, input: rules[i], path: ["rules", i, key] });
    for (const [i, rule] of rules.entries()) {
      if (rules.findIndex(({ id }) => id === rule.id) !== i)
        addIssue(i, "id", `"${rule.id}" is the id of two rules; give each rule its own id`);
      if (rule.field === undefined && rule.class === undefined)
        addIssue(i, "id", `${rule.id} matches nothing; add "field:" or "class:"`);
      if (rule.class !== undefined && rule.kinds)
        addIssue(i, "kinds", 'a class has its own kinds; remove "kinds:" or "class:"');
      if (rule.class !== undefined && !Object.hasOwn(classes, rule.class)) {
        const known = Object.keys(classes).join(", ") || "none";
        addIssue(i, "class", `"${rule.class}" is not a class; declared under classes: ${known}`);
      }
    }
  });

export type Policy = z.output<typeof policySchema>;
export type Rule = Policy["rules"][number];

/** Returns the JSON Schema of `governance.yaml`, for editors. */
export function policyJsonSchema(): JsonObject {
  return z.toJSONSchema(policySchema, { io: "input" }) as JsonObject;
}

/** A rule with its patterns parsed. */
export interface CompiledRule {
  readonly id: string;
  readonly action: Action;
  /** Returns true if the rule applies to packets for a connector. */
  forConnector(connector: string): boolean;
  /**
   * Returns true if the rule fits a field.
   *
   * @param names the names of the enclosing fields and of the field itself, outermost first
   * @param found the kinds of personal data found in the field
   */
  fits(names: readonly string[], found: readonly DataKind[]): boolean;
  /** Returns true if the rule may fit a field inside one that holds an object or a list. */
  reachesInto(name: string): boolean;
}

const compiled = new WeakMap<Policy, readonly CompiledRule[]>();

/** Compiles a policy's rules, in order. The result is cached per policy. */
export function compiledRulesOf(policy: Policy): readonly CompiledRule[] {
  let rules = compiled.get(policy);
  if (!rules) {
    rules = policy.rules.map((rule) => compiledRuleOf(rule, policy.classes ?? {}));
    compiled.set(policy, rules);
  }
  return rules;
}

function compiledRuleOf(rule: Rule, classes: NonNullable<Policy["classes"]>): CompiledRule {
  const { id, action, connector, field, kinds } = rule;
  const declared = rule.class === undefined ? undefined : classes[rule.class];
  const { kinds: classKinds = [], fields = [] } = Array.isArray(declared) ? { kinds: declared } : { ...declared };
  const named = field === undefined ? [] : [globOf(field)];
  const tagged = fields.map(globOf);
  // A rule that allows e-mail addresses must not allow an SSN in the same text.
  const covers = (found: readonly DataKind[], covered: readonly DataKind[]) =>
    action === "allow" ? found.every((kind) => covered.includes(kind)) : found.some((kind) => covered.includes(kind));
  const anyFits = (globs: readonly Glob[], names: readonly string[]) =>
    globs.some((glob) => names.some((name) => fitsGlob(glob, name)));
  return {
    id,
    action,
    forConnector: (name) => connector === undefined || connector === name || connector === name.split("@")[0],
    fits(names, found) {
      if (field !== undefined && !anyFits(named, names)) return false;
      if (kinds) return found.length > 0 && covers(found, kinds);
      if (!declared || (found.length > 0 && covers(found, classKinds))) return true;
      return anyFits(tagged, [...names, ...names.map(ownName)]) && (found.length === 0 || action !== "allow");
    },
    reachesInto: (name) => (field === undefined ? tagged.length > 0 : named.some((glob) => mayFitBelow(glob, name))),
  };
}

/** Returns a field's name without those of its parents, so that a class's `full_name` fits at any depth. */
function ownName(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

/** A pattern split at its stars. A star matches any characters, including dots. */
type Glob = readonly string[];

function globOf(pattern: string): Glob {
  return pattern.split("*");
}

/** Matches each part at its first occurrence, in time linear in the name's length per part. */
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
