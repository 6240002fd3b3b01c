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
  /** The etag of the packet as the person saw it; absent: however it stands. */
  readonly etag?: number | undefined;
  /** `pinned`, if not said: the packet as it was made. `current`: what today's sheet makes of its event. */
  readonly sheet?: "pinned" | "current" | undefined;
  /** The job that does so. */
  readonly job?: string;
}

/**
 * Lets a held packet go again.
 *
 * As it was made it keeps its id, and with that the idempotency key: at a target that can tell a repeat it has one
 * effect. What today's sheet makes of its event takes its place as a revision. Either way governance sees it again, by
 * the policy of today: as it was made, what that blocks stays held; where it masks more than before, the masked packet
 * takes its place.
 */
export async function release(engine: Engine, request: ReleaseRequest, by: Actor): Promise<OperationResult> {
  const act = auditFacts("release", by);
  for (;;) {
    const found = await packetFor(engine, request.id, request.etag, ["HELD"]);
    if (found.kind !== "found") return found;
    const way = await planRelease(engine, found.stored.value, request);
    if (way.kind === "refused") return way;
    if (way.kind === "replaced") return replace(engine, found.stored, { ...way, act, ...jobIn(request) });
    const next = requeueHeld(engine, found.stored, { ...act, ...way.facts }, request.job);
    if ((await engine.store.write([putOf(next, found.stored)], [next.entry])) === "conflict") continue;
    engine.log({ step: "released", packet: request.id, connector: found.stored.value.packet.connector });
    await sendUnsent(engine, [{ value: next.record, etag: found.stored.etag + 1 }]);
    return doneWith(engine, request.id);
  }
}

function jobIn({ job }: ReleaseRequest) {
  return job === undefined ? {} : { job };
}

/** How a held packet can go again: as it is, as another in its place, or not. */
type ReleasePlan =
  | { readonly kind: "same"; readonly facts: Facts }
  | ({ readonly kind: "replaced" } & Omit<Parameters<typeof replace>[2], "act" | "job">)
  | Extract<OperationResult, { kind: "refused" }>;

/** Says how a held packet could go again; writes nothing. */
export async function planRelease(
  engine: Engine,
  { packet }: PacketRecord,
  { sheet = "pinned" }: Pick<ReleaseRequest, "sheet">,
): Promise<ReleasePlan> {
  if (sheet === "current") return remapWithCurrentSheet(engine, packet);
  const held = (await engine.store.chain(packet.id)).at(-1);
  if (held?.facts.reason === "mapping") {
    return refusedResult("it could not be mapped: mend the sheet and replay it with the current one, or discard it");
  }
  const { packet: left, decisions, blocked } = await governAgain(engine, packet);
  if (blocked !== undefined) return refusedResult(`${blocked}; edit it, or change the policy`);
  const facts: Facts = decisions.length > 0 ? { governance: decisions as unknown as Json } : {};
  const isSame = left.entity === packet.entity && jsonEqual(left.fields, packet.fields);
  return isSame ? { kind: "same", facts } : { kind: "replaced", shape: left, facts };
}

async function remapWithCurrentSheet(engine: Engine, packet: PacketRecord["packet"]): Promise<ReleasePlan> {
  await pinSheets(engine, engine.sheets().sheets);
  const made = await remapper(engine, undefined, engine.clock.now())(packet);
  if (!made) return refusedResult("today's sheets make nothing of it any more; edit it, or discard it");
  const { record, entry } = made;
  const { reason = "" } = record.progress;
  return {
    kind: "replaced",
    shape: record.packet,
    facts: entry.facts.governance === undefined ? {} : { governance: entry.facts.governance },
    ...(record.progress.status === "HELD" && { held: { code: String(entry.facts.reason), reason } }),
  };
}

/** The step that puts a held packet back on its lane as if it were new: its window counts from now. */
function requeueHeld(engine: Engine, stored: Stored<"packet">, facts: Facts, job: string | undefined) {
  const { failingSince: _f, answer: _a, ...progress } = stored.value.progress;
  const since = { round: 0, queuedAt: engine.clock.now(), ...(job !== undefined && { releasedBy: job }) };
  const record = { ...stored.value, progress: { ...progress, ...since } };
  return requeueTransition(engine, record, "released", facts);
}
