import type { Engine } from "../engine.ts";
import { pinSheets } from "../intake/pinned-sheets.ts";
import { remapper } from "../intake/remap.ts";
import type { Facts } from "../model/ledger-entry.ts";
import type { PacketRecord } from "../model/packet-record.ts";
import type { Stored } from "../ports/store.ts";
import { putOf, requeueTransition, sendUnsent } from "../recording/enqueue.ts";
import { doneWith } from "../recording/replace-packet.ts";
import { type Json, jsonEqual } from "../values/json.ts";
import { type Actor, auditFacts } from "./operator.ts";
import { governAgain, type OperationResult, packetFor, refusedResult, replace } from "./packet-operation.ts";

export interface ReleaseRequest {
  readonly id: string;
  /** Etag of the packet as the operator saw it; if absent, any version is released. */
  readonly etag?: number | undefined;
  /** `pinned` (default) sends the packet as it was created; `current` maps its event again with the current sheet. */
  readonly sheet?: "pinned" | "current" | undefined;
  /** Id of the job that releases it. */
  readonly job?: string;
}

/**
 * Releases a held packet.
 *
 * With `pinned`, the packet keeps its id and therefore its idempotency key, so a target that detects duplicates applies
 * it once. With `current`, the newly mapped packet replaces it as a revision. Both are checked against the current
 * policy. A `pinned` packet that the policy blocks stays held; if the policy masks more than before, the masked packet
 * replaces it. A late packet of a strict lane is also replaced.
 */
export async function release(engine: Engine, request: ReleaseRequest, by: Actor): Promise<OperationResult> {
  const act = auditFacts("release", by);
  for (;;) {
    const found = await packetFor(engine, request.id, request.etag, ["HELD"]);
    if (found.kind !== "found") return found;
    const plan = await planRelease(engine, found.stored.value, request);
    if (plan.kind === "refused") return plan;
    if (plan.kind === "replaced") return replace(engine, found.stored, { ...plan, act, ...jobIn(request) });
    const next = requeueHeld(engine, found.stored, { ...act, ...plan.facts }, request.job);
    if ((await engine.store.write([putOf(next, found.stored)], [next.entry])) === "conflict") continue;
    engine.log({ step: "released", packet: request.id, connector: found.stored.value.packet.connector });
    await sendUnsent(engine, [{ value: next.record, etag: found.stored.etag + 1 }]);
    return doneWith(engine, request.id);
  }
}

function jobIn({ job }: ReleaseRequest) {
  return job === undefined ? {} : { job };
}

/** Plan for a held packet: send it unchanged, replace it, or refuse. */
type ReleasePlan =
  | { readonly kind: "same"; readonly facts: Facts }
  | ({ readonly kind: "replaced" } & Omit<Parameters<typeof replace>[2], "act" | "job">)
  | Extract<OperationResult, { kind: "refused" }>;

/** Returns the plan for releasing a held packet, without writing anything. */
export async function planRelease(
  engine: Engine,
  { packet, progress }: PacketRecord,
  { sheet = "pinned" }: Pick<ReleaseRequest, "sheet">,
): Promise<ReleasePlan> {
  if (sheet === "current") return remapWithCurrentSheet(engine, packet);
  const held = (await engine.store.chain(packet.id)).at(-1);
  if (held?.facts.reason === "mapping") {
    return refusedResult("it could not be mapped; fix the sheet and release it with the current sheet, or discard it");
  }
  const { packet: left, decisions, blocked } = await governAgain(engine, packet);
  if (blocked !== undefined) return refusedResult(`${blocked}; edit it, or change the policy`);
  const facts: Facts = decisions.length > 0 ? { governance: decisions as unknown as Json } : {};
  // A late packet has no place in its lane anymore; its replacement gets one.
  // The operator's decision makes a packet newer than the one of the same event that it contradicts.
  const isSame =
    !progress.late &&
    held?.facts.reason !== "tie" &&
    left.entity === packet.entity &&
    jsonEqual(left.fields, packet.fields);
  return isSame ? { kind: "same", facts } : { kind: "replaced", shape: left, facts };
}

async function remapWithCurrentSheet(engine: Engine, packet: PacketRecord["packet"]): Promise<ReleasePlan> {
  await pinSheets(engine, engine.sheets().sheets);
  const remapped = await remapper(engine, undefined, engine.clock.now())(packet);
  if (!remapped)
    return refusedResult("the current sheets no longer create a packet from its event; edit it, or discard it");
  const { record, entry } = remapped;
  const { reason = "" } = record.progress;
  return {
    kind: "replaced",
    shape: record.packet,
    facts: entry.facts.governance === undefined ? {} : { governance: entry.facts.governance },
    ...(record.progress.status === "HELD" && { held: { code: String(entry.facts.reason), reason } }),
  };
}

/** Returns the transition that requeues a held packet. Its consistency window starts again. */
function requeueHeld(engine: Engine, stored: Stored<"packet">, facts: Facts, job: string | undefined) {
  const { failingSince: _f, answer: _a, ...progress } = stored.value.progress;
  const since = { round: 0, queuedAt: engine.clock.now(), ...(job !== undefined && { releasedBy: job }) };
  const record = { ...stored.value, progress: { ...progress, ...since } };
  return requeueTransition(engine, record, "released", facts);
}
