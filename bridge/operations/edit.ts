import type { Engine } from "../engine.ts";
import type { FieldDecision } from "../governance/vet.ts";
import { type Packet, sizeIssue } from "../model/packet.ts";
import { canonicalJson } from "../values/canonical-json.ts";
import { keyedHash } from "../values/ids.ts";
import { type Json, type JsonObject, jsonEqual, jsonIssue } from "../values/json.ts";
import { type Actor, auditFacts } from "./operator.ts";
import {
  governAgain,
  type OperationResult,
  packetFor,
  placeOfPacket,
  type Refused,
  refusedResult,
  replace,
} from "./packet-operation.ts";

export interface EditRequest {
  readonly id: string;
  /** The etag of the packet as the editor saw it. */
  readonly etag: number;
  /** All fields it is to have: what is not named is not sent. */
  readonly fields: JsonObject;
}

/** One field that an edit adds, takes away or changes, with its values. For the editor, never for the ledger. */
export interface FieldChange {
  readonly field: string;
  readonly before?: Json;
  readonly after?: Json;
}

/** What an edit would come to. */
export interface EditPreview {
  readonly kind: "trial";
  /** As it would be sent: masked where governance says so. */
  readonly fields: JsonObject;
  readonly changes: readonly FieldChange[];
  readonly governance: readonly FieldDecision[];
  /** Why it would be held again. */
  readonly held?: string;
}

/**
 * Puts a packet with other fields in the place of a held one, and sends it.
 *
 * It is seen by governance again, by the policy of today; what that blocks is held in its turn. The ledger is told which
 * fields changed, by name and keyed hash, who changed them and why. Of two who edit the same packet one wins, and the
 * other is told how it stands now.
 */
export async function edit(engine: Engine, request: EditRequest, by: Actor): Promise<OperationResult> {
  const act = auditFacts("edit", by);
  const found = await packetFor(engine, request.id, request.etag, ["HELD"]);
  if (found.kind !== "found") return found;
  const { packet } = found.stored.value;
  const trial = await previewOf(engine, packet, request.fields);
  if (trial.kind === "refused") return trial;
  return replace(engine, found.stored, {
    shape: { ...trial.packet, edited: true },
    act,
    facts: {
      changes: trial.changes.map((change) => hashedChange(engine, packet, change)),
      governance: trial.governance as unknown as Json,
    },
    ...(trial.held !== undefined && { held: { code: "governance", reason: trial.held } }),
  });
}

/** Says what an edit would come to, and writes nothing. */
export async function previewEdit(
  engine: Engine,
  request: EditRequest,
): Promise<EditPreview | Exclude<OperationResult, { kind: "done" }>> {
  const found = await packetFor(engine, request.id, request.etag, ["HELD"]);
  if (found.kind !== "found") return found;
  const trial = await previewOf(engine, found.stored.value.packet, request.fields);
  if (trial.kind === "refused") return trial;
  const { packet: _, ...told } = trial;
  return told;
}

/** An edit's trial, with the packet it would make. */
type EditAttempt = EditPreview & { readonly packet: Packet };

async function previewOf(engine: Engine, packet: Packet, wanted: JsonObject): Promise<EditAttempt | Refused> {
  const fault = jsonIssue(wanted) ?? (await fieldsFault(engine, packet, wanted));
  if (fault !== undefined) return refusedResult(fault);
  const { packet: left, decisions, blocked } = await governAgain(engine, packet, wanted);
  const { fields } = left;
  const tooLarge = sizeIssue(left);
  if (tooLarge !== undefined) return refusedResult(tooLarge);
  const changes = changesOf(packet.fields, fields);
  if (changes.length === 0) return refusedResult("nothing is changed; to send it as it is, replay it");
  const held = blocked === undefined ? {} : { held: blocked };
  return { kind: "trial", packet: left, fields, changes, governance: decisions, ...held };
}

/** A field's name goes into the ledger: only names the sheet or the packet has are taken, not what somebody types. */
async function fieldsFault(engine: Engine, packet: Packet, wanted: JsonObject): Promise<string | undefined> {
  const { target } = await placeOfPacket(engine, packet);
  const mapped = [...target.fields.map(({ to }) => to), ...Object.keys(target.set)];
  const known = new Set([...Object.keys(packet.fields), ...mapped]);
  const strangers = Object.keys(wanted).filter((name) => !known.has(name)).length;
  if (strangers > 0) {
    const what = strangers === 1 ? "a field is none" : `${strangers} fields are none`;
    return `${what} of this target's; it has ${[...known].sort().join(", ") || "no fields"}`;
  }
  const missing = packet.send === "full" ? mapped.filter((name) => !Object.hasOwn(wanted, name)) : [];
  if (missing.length > 0) return `the sheet sends all fields or none, and ${missing.join(", ")} is missing`;
  if (Object.keys(wanted).length === 0 && packet.action === "upsert") return "no field is left; discard it instead";
  return undefined;
}

/** What differs between two packets' fields, in order of their names. */
export function changesOf(before: JsonObject, after: JsonObject): FieldChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.flatMap((field): FieldChange[] => {
    const was = Object.hasOwn(before, field) ? before[field] : undefined;
    const is = Object.hasOwn(after, field) ? after[field] : undefined;
    if (jsonEqual(was, is)) return [];
    return [{ field, ...(was !== undefined && { before: was }), ...(is !== undefined && { after: is }) }];
  });
}

/** The hash is bound to packet and field: the same value elsewhere has another. */
function hashedChange({ bridgeKey }: Engine, { id }: Packet, { field, before, after }: FieldChange): JsonObject {
  const hashOf = (value: Json) => keyedHash(bridgeKey, id, field, canonicalJson(value));
  return {
    field,
    ...(before !== undefined && { before: hashOf(before) }),
    ...(after !== undefined && { after: hashOf(after) }),
  };
}
