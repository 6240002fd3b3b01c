import type { KeyObject } from "node:crypto";
import { detect, maskText, replaceFound } from "../pii/detect.ts";
import type { DataKind, Finding } from "../pii/finding.ts";
import { canonicalJson } from "../values/canonical-json.ts";
import { keyedHash } from "../values/ids.ts";
import { isJsonObject, isPlainName, isPrototypeKey, type Json, type JsonObject } from "../values/json.ts";
import { recordKey } from "../values/record-key.ts";
import { type Action, type CompiledRule, compiledRulesOf, type Policy } from "./policy.ts";

/** A governance decision about one field. It is recorded in the ledger, so it holds names and rules and no values. */
export interface FieldDecision {
  /** `*` stands for the whole packet. A field inside an object has a dotted name: `address.zip`. */
  readonly field: string;
  readonly action: Action;
  /** The rule's id, or `otherwise`. */
  readonly rule: string;
  readonly kinds: readonly DataKind[];
  /** Set if the external compliance engine decided instead of the policy. */
  readonly by?: "compliance";
}

/** The parts of an outbound payload that governance examines. */
export interface OutboundPayload {
  readonly target: { readonly connector: string; readonly keyPath?: string };
  readonly entity: string;
  readonly fields: JsonObject;
}

export type Verdict = "allow" | "mask" | "block";

/** Result of vetting: the entity and fields in the form in which they may be sent. */
export interface GovernanceResult {
  readonly entity: string;
  readonly fields: JsonObject;
  readonly verdict: Verdict;
  readonly decisions: readonly FieldDecision[];
}

/** Name by which rules refer to the record's key, which is also sent, in URLs and bodies. */
const entityField = "entity";

/**
 * Applies the policy to an outbound payload.
 *
 * The first rule that fits a field's name, connector and findings decides. A field with findings and no rule is masked
 * or blocked, as the policy's `otherwise` says. A field with neither is sent unchanged. If a rule names something
 * inside an object (`address.zip`), each name in that object is decided separately.
 *
 * One blocked field blocks the whole payload, because part of a change would be a wrong change. The entity is treated
 * as a field named `entity`. Masking it would make it another record, so a rule that would mask it blocks instead;
 * hashing it is allowed.
 *
 * @param bridgeKey key for the pseudonyms
 */
export function vet(policy: Policy, payload: OutboundPayload, bridgeKey: KeyObject): GovernanceResult {
  const { connector, keyPath } = payload.target;
  const rules = compiledRulesOf(policy).filter((rule) => rule.forConnector(connector));
  const evaluator = new FieldEvaluator({
    rules,
    otherwise: policy.otherwise,
    pseudonym: pseudonyms(bridgeKey, connector),
  });
  const fields: JsonObject = {};
  for (const [field, value] of Object.entries(payload.fields)) fields[field] = evaluator.value([field], field, value);
  const entity = evaluator.entity(payload.entity, keyPath ?? entityField);
  return { entity, fields, verdict: verdictOf(evaluator.decisions), decisions: evaluator.decisions };
}

/** Returns the strictest of the decisions. A hash counts as a mask. */
export function verdictOf(decisions: readonly FieldDecision[]): Verdict {
  if (decisions.some(({ action }) => action === "block")) return "block";
  return decisions.some(({ action }) => action === "mask" || action === "hash") ? "mask" : "allow";
}

type Pseudonym = (canonical: string) => string;

const pseudonymForm = /^psn-[a-z2-7]{26}$/;

/**
 * Creates the pseudonym function of a connector.
 *
 * Equal values have equal pseudonyms for all versions of one connector. Each connector has its own pseudonyms, so that
 * two systems cannot join their data. A value that is already a pseudonym is returned unchanged.
 */
function pseudonyms(bridgeKey: KeyObject, connector: string): Pseudonym {
  const [name = connector] = connector.split("@");
  return (canonical) =>
    pseudonymForm.test(canonical) ? canonical : `psn-${keyedHash(bridgeKey, "pseudonym", name, canonical)}`;
}

interface RuleContext {
  readonly rules: readonly CompiledRule[];
  readonly otherwise: Policy["otherwise"];
  readonly pseudonym: Pseudonym;
}

/** Evaluates the rules field by field and collects the decisions. */
class FieldEvaluator {
  readonly #context: RuleContext;
  readonly #decided = new Map<string, FieldDecision>();

  constructor(context: RuleContext) {
    this.#context = context;
  }

  get decisions(): FieldDecision[] {
    return [...this.#decided.values()];
  }

  /**
   * Applies the rules to one field and returns the value that may be sent.
   *
   * @param names the names of the enclosing fields and of the field itself, outermost first: `address`, `address.zip`
   * @param shown the field's name for the ledger
   */
  value(names: readonly string[], shown: string, value: Json): Json {
    const { rules } = this.#context;
    const name = names.at(-1) as string;
    const kinds = kindsIn(value, name);
    const first = rules.findIndex((rule) => rule.fits(names, kinds));
    if (typeof value === "object" && value !== null) {
      const before = first < 0 ? rules : rules.slice(0, first);
      if (before.some((rule) => rule.reachesInto(name))) return this.#inside(names, shown, value);
    }
    const rule = rules[first];
    if (!rule && kinds.length === 0) return value;
    const action = rule?.action ?? this.#context.otherwise;
    this.#decide({ field: shown, action, rule: rule?.id ?? "otherwise", kinds });
    return this.#transform(action, value, kinds, name);
  }

  /** Applies the rules to the record's key and returns the key that may be sent. */
  entity(entity: string, name: string): string {
    const { rules } = this.#context;
    const kinds = kindsIn(entity, name);
    const rule = rules.find((rule) => rule.fits([entityField], kinds));
    if (kinds.length === 0 && rule?.action !== "hash") return entity;
    const action = rule?.action === "allow" || rule?.action === "hash" ? rule.action : "block";
    this.#decide({ field: entityField, action, rule: rule?.id ?? "otherwise", kinds });
    // All spellings of one key have the same hash, so they remain one record.
    return action === "hash" ? (this.#transform("hash", recordKey(entity), kinds, name) as string) : entity;
  }

  #inside(names: readonly string[], shown: string, value: Json[] | JsonObject): Json {
    if (Array.isArray(value)) return value.map((item) => this.value(names, shown, item));
    const name = names.at(-1) as string;
    const seen: JsonObject = {};
    for (const [key, item] of Object.entries(value)) {
      const below = `${name}.${key}`;
      // A key can be data itself, so it is shown in decisions only if it is a plain name.
      const isName = isPlainName(key) && detect(key).length === 0;
      const kept = isName ? key : String(this.value(names, shown, key));
      if (!isPrototypeKey(kept))
        seen[kept] = this.value([...names, below], isName ? `${shown}.${key}` : `${shown}.…`, item);
    }
    return seen;
  }

  /** Records a decision once per field name and rule, however many elements of a list it applies to. */
  #decide(decision: FieldDecision): void {
    const place = `${decision.field} ${decision.action} ${decision.rule}`;
    const known = this.#decided.get(place);
    const kinds = known ? [...new Set([...known.kinds, ...decision.kinds])] : decision.kinds;
    this.#decided.set(place, { ...decision, kinds });
  }

  #transform(action: Action, value: Json, kinds: readonly DataKind[], name: string): Json {
    if (action === "mask") return masked(value, kinds, name);
    return action === "hash" ? this.#hashed(value, kinds, name) : value;
  }

  /** Replaces each finding with its pseudonym. A field without findings is replaced as a whole. */
  #hashed(value: Json, kinds: readonly DataKind[], name: string): Json {
    const { pseudonym } = this.#context;
    if (value === null) return null;
    if (kinds.length === 0) return pseudonym(typeof value === "string" ? value : canonicalJson(value));
    return walk(value, name, (text, place) => replaceFound(text, place, (found) => pseudonym(canonical(found))));
  }
}

/** Returns a finding's text in one spelling, so that `123-45-6789` and `123456789` have the same pseudonym. */
function canonical({ kind, text }: Finding): string {
  return text
    .toLowerCase()
    .replace(kind === "email" || kind === "ip" || kind === "birthdate" ? / /g : /[^\p{L}\p{N}]/gu, "");
}

function kindsIn(value: Json, name: string): DataKind[] {
  if (typeof value === "boolean" || value === null) return [];
  const kinds = new Set<DataKind>();
  walk(value, name, (text, place) => {
    for (const { kind } of detect(text, place)) kinds.add(kind);
    return text;
  });
  return [...kinds];
}

/** Masks the findings in a value. A value without findings is hidden as a whole. */
export function masked(value: Json, kinds: readonly DataKind[], name: string): Json {
  if (kinds.length === 0) return value === null ? null : "***";
  return walk(value, name, (text, place) => maskText(text, new Set(kinds), place));
}

/** Rewrites every text in a value, including keys and numbers. A number that changes becomes a string. */
function walk(value: Json, name: string, visit: (text: string, name: string) => string): Json {
  if (typeof value === "string") return visit(value, name);
  if (typeof value === "number") {
    const text = String(value);
    const seen = visit(text, name);
    return seen === text ? value : seen;
  }
  if (Array.isArray(value)) return value.map((item) => walk(item, name, visit));
  if (isJsonObject(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [visit(key, name), walk(item, `${name}.${key}`, visit)]),
    );
  }
  return value;
}
