import * as z from "zod";
import { type DataKind, dataKinds, detect, maskText } from "./detectors.ts";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import type { Parcel } from "./map.ts";

const ruleSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, "is not a rule's id such as approver-email-to-hr"),
  /** The target's field; `*` is any. */
  field: z.string().min(1),
  connector: z.string().min(1).optional(),
  /** Only for values in which one of these is found. Absent: whatever the field holds. */
  kinds: z.array(z.enum(dataKinds)).min(1).optional(),
  action: z.enum(["allow", "mask", "block"]),
});

/** What `governance.yaml` says. */
export const policySchema = z.strictObject({
  /** What becomes of personal data no rule speaks of. */
  otherwise: z.enum(["mask", "block"]).default("block"),
  rules: z
    .array(ruleSchema)
    .check(({ value, issues }) => {
      for (const [i, { id }] of value.entries()) {
        if (value.findIndex((rule) => rule.id === id) === i) continue;
        issues.push({ code: "custom", message: `"${id}" stands twice; give each its own`, input: id, path: [i, "id"] });
      }
    })
    .default([]),
});

export type Policy = z.output<typeof policySchema>;
type Rule = Policy["rules"][number];

/** What governance said of one field. Names and rules only: it goes into the ledger. */
export interface FieldDecision {
  readonly field: string;
  readonly action: "allow" | "mask" | "block";
  /** The rule's id, or `otherwise`. */
  readonly rule: string;
  readonly kinds: readonly DataKind[];
}

/** A parcel governance has seen: only such a parcel can be packed. */
export interface Vetted extends Parcel {
  readonly verdict: "allow" | "mask" | "block";
  readonly decisions: readonly FieldDecision[];
}

/** How a rule speaks of the record itself: its key leaves too, in addresses and bodies. */
const entityField = "entity";

/**
 * The privacy check every parcel passes before it is packed.
 *
 * A field is decided by the first rule that fits its name, connector and what the detectors find in it. A field with
 * findings and no rule is masked or blocked as the policy's `otherwise` says; one without either goes as it is.
 * One blocked field holds the whole parcel: half a change is a wrong change. The entity is seen like a field called
 * `entity`; a masked one would be another record, so what would mask it blocks.
 */
export function vet(policy: Policy, parcel: Parcel): Vetted {
  const decisions: FieldDecision[] = [];
  const fields: JsonObject = {};
  for (const [field, value] of Object.entries(parcel.fields)) {
    const kinds = kindsIn(value, field);
    const rule = policy.rules.find((candidate) => applies(candidate, field, parcel.target.connector, kinds));
    if (!rule && kinds.length === 0) {
      fields[field] = value;
      continue;
    }
    const action = rule?.action ?? policy.otherwise;
    decisions.push({ field, action, rule: rule?.id ?? "otherwise", kinds });
    fields[field] = action === "mask" ? masked(value, kinds, field) : value;
  }
  const found = kindsIn(parcel.entity, parcel.target.keyPath ?? entityField);
  if (found.length > 0) {
    const rule = policy.rules.find((candidate) => applies(candidate, entityField, parcel.target.connector, found));
    const action = rule?.action === "allow" ? "allow" : "block";
    decisions.push({ field: entityField, action, rule: rule?.id ?? "otherwise", kinds: found });
  }
  const verdict =
    (["block", "mask"] as const).find((worst) => decisions.some(({ action }) => action === worst)) ?? "allow";
  return { ...parcel, fields, verdict, decisions };
}

function applies(rule: Rule, field: string, connector: string, kinds: readonly DataKind[]): boolean {
  if (rule.field !== "*" && rule.field !== field) return false;
  if (rule.connector && rule.connector !== connector && rule.connector !== connector.split("@")[0]) return false;
  if (!rule.kinds) return true;
  const named = rule.kinds;
  // An allowance for e-mails does not let an SSN in the same text through.
  return rule.action === "allow"
    ? kinds.length > 0 && kinds.every((kind) => named.includes(kind))
    : kinds.some((kind) => named.includes(kind));
}

function kindsIn(value: Json, field: string): DataKind[] {
  const kinds = new Set<DataKind>();
  walk(value, field, (text, name) => {
    for (const { kind } of detect(text, name)) kinds.add(kind);
    return text;
  });
  return [...kinds];
}

/** A field masked by name alone, with nothing found in it, is hidden whole. */
function masked(value: Json, kinds: readonly DataKind[], field: string): Json {
  if (kinds.length === 0) return value === null ? null : "***";
  const hidden = new Set(kinds);
  return walk(value, field, (text, name) => maskText(text, hidden, name));
}

/** Visits every text in a value, keys and numbers too; a number that is changed becomes a text. */
function walk(value: Json, name: string, visit: (text: string, name: string) => string): Json {
  if (typeof value === "string") return visit(value, name);
  if (typeof value === "number") {
    const text = String(value);
    const seen = visit(text, name);
    return seen === text ? value : seen;
  }
  if (Array.isArray(value)) return value.map((item) => walk(item, name, visit));
  if (isJsonObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [visit(key, name), walk(item, key, visit)]));
  }
  return value;
}
