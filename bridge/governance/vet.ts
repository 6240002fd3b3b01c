import type { KeyObject } from "node:crypto";
import { detect, maskText, replaceFound } from "../pii/detect.ts";
import type { DataKind, Finding } from "../pii/finding.ts";
import { canonicalJson } from "../values/canonical-json.ts";
import { keyedHash } from "../values/ids.ts";
import { isJsonObject, isPlainName, isPrototypeKey, type Json, type JsonObject } from "../values/json.ts";
import { type Action, type CompiledRule, compiledRulesOf, type Policy } from "./policy.ts";

/** What governance said of one field. Names and rules only: it goes into the ledger. */
export interface FieldDecision {
  /** `*` for the packet as a whole; below a field that holds an object, `address.zip`. */
  readonly field: string;
  readonly action: Action;
  /** The rule's id, or `otherwise`. */
  readonly rule: string;
  readonly kinds: readonly DataKind[];
  /** Who said so, where it is not the policy. */
  readonly by?: "compliance";
}

/** What is to leave: all that governance looks at. */
export interface OutboundPayload {
  readonly target: { readonly connector: string; readonly keyPath?: string };
  readonly entity: string;
  readonly fields: JsonObject;
}

export type Verdict = "allow" | "mask" | "block";

/** What governance has made of something that is to leave: fields and entity as they may leave. */
export interface GovernanceResult {
  readonly entity: string;
  readonly fields: JsonObject;
  readonly verdict: Verdict;
  readonly decisions: readonly FieldDecision[];
}

/** How a rule speaks of the record itself: its key leaves too, in addresses and bodies. */
const entityField = "entity";

/**
 * Holds what is to leave against the policy.
 *
 * A field is decided by the first rule that fits its name, connector and what the detectors find in it. A field with
 * findings and no rule is masked or blocked as the policy's `otherwise` says; one without either goes as it is. Where a
 * rule names something inside an object (`address.zip`), what is in it is decided name by name.
 *
 * One blocked field holds the whole parcel: half a change is a wrong change. The entity is seen like a field called
 * `entity`; a masked one would be another record, so what would mask it blocks, and a hashed one is the same everywhere.
 *
 * @param bridgeKey makes pseudonyms that nobody without it can make
 */
export function vet(policy: Policy, leaving: OutboundPayload, bridgeKey: KeyObject): GovernanceResult {
  const { connector, keyPath } = leaving.target;
  const clauses = compiledRulesOf(policy).filter((clause) => clause.forConnector(connector));
  const judge = new FieldEvaluator({
    clauses,
    otherwise: policy.otherwise,
    pseudonym: pseudonyms(bridgeKey, connector),
  });
  const fields: JsonObject = {};
  for (const [field, value] of Object.entries(leaving.fields)) fields[field] = judge.value([field], field, value);
  const entity = judge.entity(leaving.entity, keyPath ?? entityField);
  return { entity, fields, verdict: verdictOf(judge.decisions), decisions: judge.decisions };
}

/** The worst of what was decided. A pseudonym hides, as a mask does. */
export function verdictOf(decisions: readonly FieldDecision[]): Verdict {
  if (decisions.some(({ action }) => action === "block")) return "block";
  return decisions.some(({ action }) => action === "mask" || action === "hash") ? "mask" : "allow";
}

type Pseudonym = (canonical: string) => string;

const pseudonymForm = /^psn-[a-z2-7]{26}$/;

/**
 * The same for the same value, for one connector in all its versions. Another connector has others, so that two systems
 * cannot put their data together. A pseudonym stays what it is when it is vetted again.
 */
function pseudonyms(bridgeKey: KeyObject, connector: string): Pseudonym {
  const [name = connector] = connector.split("@");
  return (canonical) =>
    pseudonymForm.test(canonical) ? canonical : `psn-${keyedHash(bridgeKey, "pseudonym", name, canonical)}`;
}

interface RuleContext {
  readonly clauses: readonly CompiledRule[];
  readonly otherwise: Policy["otherwise"];
  readonly pseudonym: Pseudonym;
}

/** Decides field by field, and remembers what it has decided. */
class FieldEvaluator {
  readonly #bench: RuleContext;
  readonly #decided = new Map<string, FieldDecision>();

  constructor(bench: RuleContext) {
    this.#bench = bench;
  }

  get decisions(): FieldDecision[] {
    return [...this.#decided.values()];
  }

  /**
   * @param names what it and the fields it stands in are called, outermost first: `address`, `address.zip`
   * @param shown its name as the ledger may have it
   */
  value(names: readonly string[], shown: string, value: Json): Json {
    const { clauses } = this.#bench;
    const name = names.at(-1) as string;
    const kinds = kindsIn(value, name);
    const first = clauses.findIndex((clause) => clause.fits(names, kinds));
    if (typeof value === "object" && value !== null) {
      const before = first < 0 ? clauses : clauses.slice(0, first);
      if (before.some((clause) => clause.reachesInto(name))) return this.#inside(names, shown, value);
    }
    const rule = clauses[first];
    if (!rule && kinds.length === 0) return value;
    const action = rule?.action ?? this.#bench.otherwise;
    this.#decide({ field: shown, action, rule: rule?.id ?? "otherwise", kinds });
    return this.#as(action, value, kinds, name);
  }

  entity(entity: string, name: string): string {
    const { clauses } = this.#bench;
    const kinds = kindsIn(entity, name);
    const rule = clauses.find((clause) => clause.fits([entityField], kinds));
    if (kinds.length === 0 && rule?.action !== "hash") return entity;
    const action = rule?.action === "allow" || rule?.action === "hash" ? rule.action : "block";
    this.#decide({ field: entityField, action, rule: rule?.id ?? "otherwise", kinds });
    return action === "hash" ? (this.#as("hash", entity, kinds, name) as string) : entity;
  }

  #inside(names: readonly string[], shown: string, value: Json[] | JsonObject): Json {
    if (Array.isArray(value)) return value.map((item) => this.value(names, shown, item));
    const name = names.at(-1) as string;
    const seen: JsonObject = {};
    for (const [key, item] of Object.entries(value)) {
      const below = `${name}.${key}`;
      // A key is data where records are keyed by it. It is told only where it is a plain name.
      const isName = isPlainName(key) && detect(key).length === 0;
      const kept = isName ? key : String(this.value(names, shown, key));
      if (!isPrototypeKey(kept))
        seen[kept] = this.value([...names, below], isName ? `${shown}.${key}` : `${shown}.…`, item);
    }
    return seen;
  }

  /** What one rule says of one name it says once, however often it stands in a list. */
  #decide(decision: FieldDecision): void {
    const place = `${decision.field} ${decision.action} ${decision.rule}`;
    const known = this.#decided.get(place);
    const kinds = known ? [...new Set([...known.kinds, ...decision.kinds])] : decision.kinds;
    this.#decided.set(place, { ...decision, kinds });
  }

  #as(action: Action, value: Json, kinds: readonly DataKind[], name: string): Json {
    if (action === "mask") return masked(value, kinds, name);
    return action === "hash" ? this.#hashed(value, kinds, name) : value;
  }

  /** A field hashed by its name alone, with nothing found in it, becomes one pseudonym; else what was found becomes one each. */
  #hashed(value: Json, kinds: readonly DataKind[], name: string): Json {
    const { pseudonym } = this.#bench;
    if (value === null) return null;
    if (kinds.length === 0) return pseudonym(typeof value === "string" ? value : canonicalJson(value));
    return walk(value, name, (text, place) => replaceFound(text, place, (found) => pseudonym(canonical(found))));
  }
}

/** One value has one pseudonym, however it is written: `123-45-6789` and `123456789`, `A@b.gov` and `a@b.gov`. */
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

/** A field masked by name alone, with nothing found in it, is hidden whole. */
export function masked(value: Json, kinds: readonly DataKind[], name: string): Json {
  if (kinds.length === 0) return value === null ? null : "***";
  return walk(value, name, (text, place) => maskText(text, new Set(kinds), place));
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
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [visit(key, name), walk(item, `${name}.${key}`, visit)]),
    );
  }
  return value;
}
