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
  type RefusedResult,
  refusedResult,
  replace,
} from "./packet-operation.ts";

export interface EditRequest {
  readonly id: string;
  /** Etag of the packet as the editor saw it. */
  readonly etag: number;
  /** All fields of the new packet. An omitted field is not sent. */
  readonly fields: JsonObject;
}

/** One field that an edit adds, removes or changes, with its values. Shown to the editor, never written to the ledger. */
export interface FieldChange {
  readonly field: string;
  readonly before?: Json;
  readonly after?: Json;
}

/** Preview of an edit. */
export interface EditPreview {
  readonly kind: "trial";
  /** The fields as they would be sent, masked as governance requires. */
  readonly fields: JsonObject;
  readonly changes: readonly FieldChange[];
  readonly governance: readonly FieldDecision[];
  /** Reason the edited packet would be held again. */
  readonly held?: string;
}

/**
 * Replaces a held packet with one that has different fields, and sends the new one.
 *
 * Governance checks the new packet against the current policy. If the policy blocks it, it is held. The ledger records
 * which fields changed (name and keyed hash), who changed them and why. If two operators edit the same packet, the
 * second one gets `moved` with the current state.
 */
export async function edit(engine: Engine, request: EditRequest, by: Actor): Promise<OperationResult> {
  const act = auditFacts("edit", by);
  const found = await packetFor(engine, request.id, request.etag, ["HELD"]);
  if (found.kind !== "found") return found;
  const { packet } = found.stored.value;
  const preview = await previewOf(engine, packet, request.fields);
  if (preview.kind === "refused") return preview;
  return replace(engine, found.stored, {
    shape: { ...preview.packet, edited: true },
    act,
    facts: {
      changes: preview.changes.map((change) => hashedChange(engine, packet, change)),
      governance: preview.governance as unknown as Json,
    },
    ...(preview.held !== undefined && { held: { code: "governance", reason: preview.held } }),
  });
}

/** Previews an edit without writing anything. */
export async function previewEdit(
  engine: Engine,
  request: EditRequest,
): Promise<EditPreview | Exclude<OperationResult, { kind: "done" }>> {
  const found = await packetFor(engine, request.id, request.etag, ["HELD"]);
  if (found.kind !== "found") return found;
  const preview = await previewOf(engine, found.stored.value.packet, request.fields);
  if (preview.kind === "refused") return preview;
  const { packet: _, ...shown } = preview;
  return shown;
}

/** Preview of an edit, with the packet it would create. */
type PreviewWithPacket = EditPreview & { readonly packet: Packet };

async function previewOf(
  engine: Engine,
  packet: Packet,
  wanted: JsonObject,
): Promise<PreviewWithPacket | RefusedResult> {
  const issue = jsonIssue(wanted) ?? (await fieldsIssue(engine, packet, wanted));
  if (issue !== undefined) return refusedResult(issue);
  const { packet: left, decisions, blocked } = await governAgain(engine, packet, wanted);
  const { fields } = left;
  const tooLarge = sizeIssue(left);
  if (tooLarge !== undefined) return refusedResult(tooLarge);
  const changes = changesOf(packet.fields, fields);
  if (changes.length === 0) return refusedResult("no field was changed; to send the packet unchanged, replay it");
  const held = blocked === undefined ? {} : { held: blocked };
  return { kind: "trial", packet: left, fields, changes, governance: decisions, ...held };
}

/** Allows only field names of the sheet or packet: the ledger records names, and free text could be personal data. */
async function fieldsIssue(engine: Engine, packet: Packet, wanted: JsonObject): Promise<string | undefined> {
  const { target } = await placeOfPacket(engine, packet);
  const mapped = [...target.fields.map(({ to }) => to), ...Object.keys(target.set)];
  const known = new Set([...Object.keys(packet.fields), ...mapped]);
  const unknownFields = Object.keys(wanted).filter((name) => !known.has(name)).length;
  if (unknownFields > 0) {
    const what = unknownFields === 1 ? "Unknown field" : `${unknownFields} unknown fields`;
    return `${what}. This target accepts: ${[...known].sort().join(", ") || "no fields"}.`;
  }
  const missing = packet.send === "full" ? mapped.filter((name) => !Object.hasOwn(wanted, name)) : [];
  if (missing.length > 0) return `the sheet sends all its fields together; missing: ${missing.join(", ")}`;
  if (Object.keys(wanted).length === 0 && packet.action === "upsert")
    return "no fields are left; discard the packet instead";
  return undefined;
}

/** Returns the differences between two packets' fields, sorted by name. */
export function changesOf(before: JsonObject, after: JsonObject): FieldChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.flatMap((field): FieldChange[] => {
    const was = Object.hasOwn(before, field) ? before[field] : undefined;
    const is = Object.hasOwn(after, field) ? after[field] : undefined;
    if (jsonEqual(was, is)) return [];
    return [{ field, ...(was !== undefined && { before: was }), ...(is !== undefined && { after: is }) }];
  });
}

/** Hashes a change per packet and field, so the same value elsewhere has a different hash. */
function hashedChange({ bridgeKey }: Engine, { id }: Packet, { field, before, after }: FieldChange): JsonObject {
  const hashOf = (value: Json) => keyedHash(bridgeKey, id, field, canonicalJson(value));
  return {
    field,
    ...(before !== undefined && { before: hashOf(before) }),
    ...(after !== undefined && { after: hashOf(after) }),
  };
}
