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
  /** Makes pseudonyms that nobody without it can make. 32 bytes. */
  readonly bridgeKey: KeyObject;
  readonly compliance?: CompliancePort | undefined;
}

/**
 * What may leave, and in which shape: the policy first, then, where there is one, the compliance engine outside.
 *
 * Everything that makes a packet goes through here: events, rosters, back-fills, replays, pushes and edits. The engine
 * outside sees what the policy has left, and can only take more away. What the policy blocks it is not asked about.
 *
 * @throws {ComplianceUnavailableError} where the engine outside cannot be asked, or what it answers cannot be believed: nothing may leave
 */
export async function govern(engine: GovernanceContext, leaving: OutboundPayload): Promise<GovernanceResult> {
  const judged = vet(engine.sheets().policy, leaving, engine.bridgeKey);
  if (!engine.compliance || judged.verdict === "block") return judged;
  const { entity, fields } = judged;
  const request = { action: "external_sync", target: leaving.target.connector, packet: { entity, fields } } as const;
  return tightened(judged, await engine.compliance.ask(request));
}

/** How an answer speaks of the packet as a whole. */
const whole = "*";

function tightened(judged: GovernanceResult, ruling: Ruling): GovernanceResult {
  if (ruling.action === "allow") {
    return ruling.rule === undefined ? judged : decided(judged, [decision(whole, "allow", ruling.rule)]);
  }
  const { action, rule } = ruling;
  const named = ruling.fields ?? [whole];
  const stray = named.find((field) => field !== whole && field !== "entity" && !Object.hasOwn(judged.fields, field));
  // Its name is not repeated: it came from outside.
  if (stray !== undefined)
    throw new ComplianceUnavailableError("governance speaks of a field the packet does not have");
  // A record without its key, or with a masked one, would be another record.
  const hides = action === "mask" && !named.includes("entity") && !named.includes(whole);
  if (!hides)
    return decided(
      judged,
      named.map((field) => decision(field, "block", rule)),
    );
  const fields = { ...judged.fields };
  for (const field of named) fields[field] = hidden(fields[field] as Json, field);
  return decided(
    { ...judged, fields },
    named.map((field) => decision(field, "mask", rule)),
  );
}

function decision(field: string, action: FieldDecision["action"], rule: string): FieldDecision {
  return { field, action, rule, kinds: [], by: "compliance" };
}

function decided(judged: GovernanceResult, more: readonly FieldDecision[]): GovernanceResult {
  const decisions = [...judged.decisions, ...more];
  return { ...judged, decisions, verdict: verdictOf(decisions) };
}

/** What the engine outside wants hidden is hidden whole; where it is one thing the detectors know, in its form. */
function hidden(value: Json, field: string): Json {
  if (value === null) return null;
  const text = typeof value === "string" || typeof value === "number" ? String(value) : "";
  const [found] = detect(text, field);
  return found && found.index === 0 && found.end === text.length ? mask(found) : "***";
}

/** Why governance holds a packet: fields and rules, no value. */
export function blockedReason({ decisions }: Pick<GovernanceResult, "decisions">): string {
  const blocked = decisions.filter(({ action }) => action === "block");
  const told = blocked.map(({ field, rule }) => `${field === whole ? "the packet" : field} (${rule})`);
  return `governance blocks ${told.join(", ")}`;
}
