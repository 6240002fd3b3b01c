import type { KeyObject } from "node:crypto";
import { detect } from "../pii/detect.ts";
import { mask } from "../pii/mask.ts";
import type { Json } from "../values/json.ts";
import { type CompliancePort, ComplianceUnavailableError, type Ruling } from "./compliance-engine.ts";
import type { Policy } from "./policy.ts";
import { type FieldDecision, type GovernanceResult, type OutboundPayload, verdictOf, vet } from "./vet.ts";

/** The parts of an engine that governance needs. */
export interface GovernanceContext {
  readonly sheets: () => { readonly policy: Policy };
  /** Key for the pseudonyms, 32 bytes. */
  readonly bridgeKey: KeyObject;
  readonly compliance?: CompliancePort | undefined;
}

/**
 * Decides what may be sent and in which form: first by the policy, then by the external compliance engine, if any.
 *
 * Every set of fields passes through here before it is packed: from events, rosters, backfills, replays, pushes and
 * edits. The external engine receives the payload in the form the policy gave it and can only restrict it further. It
 * is not consulted if the policy blocks the payload.
 *
 * @throws {ComplianceUnavailableError} if the external engine gives no usable answer; nothing may be sent then
 */
export async function govern(engine: GovernanceContext, payload: OutboundPayload): Promise<GovernanceResult> {
  const result = vet(engine.sheets().policy, payload, engine.bridgeKey);
  if (!engine.compliance || result.verdict === "block") return result;
  const { entity, fields } = result;
  const request = { action: "external_sync", target: payload.target.connector, packet: { entity, fields } } as const;
  return applyRuling(result, await engine.compliance.ask(request));
}

/** Field name that stands for the whole packet. */
const whole = "*";

function applyRuling(result: GovernanceResult, ruling: Ruling): GovernanceResult {
  if (ruling.action === "allow") {
    return ruling.rule === undefined ? result : withDecisions(result, [decision(whole, "allow", ruling.rule)]);
  }
  const { action, rule } = ruling;
  const named = ruling.fields ?? [whole];
  const stray = named.find((field) => field !== whole && field !== "entity" && !Object.hasOwn(result.fields, field));
  // The message does not repeat the field name, because it came from outside.
  if (stray !== undefined)
    throw new ComplianceUnavailableError("the compliance engine named a field that the packet does not have");
  // Masking the entity would make it another record, so a mask of the entity or the whole packet blocks.
  const canMask = action === "mask" && !named.includes("entity") && !named.includes(whole);
  if (!canMask)
    return withDecisions(
      result,
      named.map((field) => decision(field, "block", rule)),
    );
  const fields = { ...result.fields };
  for (const field of named) fields[field] = hidden(fields[field] as Json, field);
  return withDecisions(
    { ...result, fields },
    named.map((field) => decision(field, "mask", rule)),
  );
}

function decision(field: string, action: FieldDecision["action"], rule: string): FieldDecision {
  return { field, action, rule, kinds: [], by: "compliance" };
}

function withDecisions(result: GovernanceResult, more: readonly FieldDecision[]): GovernanceResult {
  const decisions = [...result.decisions, ...more];
  return { ...result, decisions, verdict: verdictOf(decisions) };
}

/** Hides a whole value. The mask keeps the value's form if the detectors recognize it. */
function hidden(value: Json, field: string): Json {
  if (value === null) return null;
  const text = typeof value === "string" || typeof value === "number" ? String(value) : "";
  const [found] = detect(text, field);
  return found && found.index === 0 && found.end === text.length ? mask(found) : "***";
}

/** Returns the reason governance holds a packet: the fields and rules, without values. */
export function blockedReason({ decisions }: Pick<GovernanceResult, "decisions">): string {
  const blocked = decisions.filter(({ action }) => action === "block");
  const named = blocked.map(({ field, rule }) => `${field === whole ? "the packet" : field} (${rule})`);
  return `governance blocks ${named.join(", ")}`;
}
