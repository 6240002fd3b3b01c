import { healthOf } from "../delivery/circuit-breaker.ts";
import { readNewerValues } from "../delivery/newer-values.ts";
import { emptyShadow, reconcile } from "../delivery/shadow.ts";
import { readTargetState, shadowKeyOf } from "../delivery/shadow-store.ts";
import type { Engine } from "../engine.ts";
import { initialFacts } from "../intake/expand.ts";
import { pinSheets } from "../intake/pinned-sheets.ts";
import { remapper } from "../intake/remap.ts";
import type { Job, ReplayRequest } from "../model/job.ts";
import { type Facts, isClosed } from "../model/ledger-entry.ts";
import { type Packet, revise } from "../model/packet.ts";
import type { PacketRecord } from "../model/packet-record.ts";
import { type Actor, auditFacts } from "../operations/operator.ts";
import { governAgain, type OperationResult, packetFor, refusedResult } from "../operations/packet-operation.ts";
import { type ReleaseRequest, release } from "../operations/release.ts";
import type { QueueName } from "../ports/queue.ts";
import type { Page, Stored } from "../ports/store.ts";
import { sendUnsent } from "../recording/enqueue.ts";
import { doneWith } from "../recording/replace-packet.ts";
import { inWrites, newPut, weighNew } from "../recording/transaction-size.ts";
import { createPacketRecord, logHeld, type Transition } from "../recording/transitions.ts";
import type { Json } from "../values/json.ts";
import { pagesOf } from "../values/pagination.ts";
import type { JobPage } from "./job-page.ts";
import { pageOfJob } from "./page-size.ts";

type Replay = Job & { readonly kind: "replay" };

/** Parts of the job that its packets need. */
type JobContext = Pick<Replay, "id" | "actor" | "startedAt" | "request">;

/** Operator, job and options of a revision. */
type RevisionContext = Pick<JobContext, "actor"> & {
  readonly id?: string;
  readonly request: Pick<ReplayRequest, "force">;
};

/** Packets per page of a preview or of the list of a job's packets. `pageOfJob` sets the page size of a running job. */
const page = 200;

/**
 * Replays one page of the packets of a past time window.
 *
 * Each packet is sent as a new revision with its original version: values that the target already holds end
 * `UNCHANGED` and older ones end `SUPERSEDED`, so no field returns to an older value. An edited packet is sent as it was
 * edited, even with `sheet: current`.
 *
 * Skips packets that are open, discarded, replaced, erased or replays themselves; with `sheet: current`, also those
 * that the current sheets no longer create. Repeating a page creates no packet twice, because a revision contains its
 * job id.
 */
export async function replayPage(engine: Engine, job: Replay): Promise<JobPage> {
  const { items, next } = await readPage(engine, job, job.after, pageOfJob(job));
  if (job.request.sheet === "current") await pinSheets(engine, engine.sheets().sheets);
  const originals = items.filter(({ packet }) => packet.job !== job.id);
  const candidates = await candidatesOf(engine, job, originals);
  for (const write of inWrites(candidates, (candidate) => weighNew(candidate.first))) {
    await sendUnsent(engine, await reviseTogether(engine, job, write));
  }
  return {
    looked: originals.length,
    made: candidates.length,
    queues: new Set(candidates.map(({ packet }): QueueName => `lane:${packet.connector}`)),
    ...(next && { after: next }),
  };
}

function readPage(
  { store }: Engine,
  { request: { from, to, connector } }: JobContext,
  after: string | undefined,
  limit: number,
): Promise<Page<PacketRecord>> {
  return store.packets({ from, to, limit, ...(connector && { connector }), ...(after !== undefined && { after }) });
}

function isReplayable({ packet, progress }: PacketRecord): boolean {
  const isLast = isClosed(progress.status) && progress.status !== "DISCARDED" && progress.replacedBy === undefined;
  return isLast && packet.replayOf === undefined && progress.erasedAt === undefined;
}

/** Packet to replay, as it will be sent. */
interface ReplayCandidate {
  readonly packet: Packet;
  /** Decisions by the current policy. */
  readonly governance: Json;
  /** Present if it would be held because of the current sheet or policy. */
  readonly held?: { readonly reason: string; readonly facts: Transition["entry"]["facts"] };
  /** Its next revision. Another replay may have taken the same number. */
  readonly first: Transition;
}

async function candidatesOf(
  engine: Engine,
  context: JobContext,
  records: readonly PacketRecord[],
): Promise<ReplayCandidate[]> {
  const { id, actor, startedAt, request } = context;
  const remap = request.sheet === "current" ? remapper(engine, { job: id, actor }, startedAt) : undefined;
  const candidates: ReplayCandidate[] = [];
  for (const { packet } of records.filter(isReplayable)) {
    const mapped = remap && !packet.edited;
    const shape = mapped ? shapeOf(await remap(packet)) : await governedAgain(engine, packet);
    if (shape) candidates.push({ ...shape, first: revision(engine, context, shape) });
  }
  return candidates;
}

type Shape = Omit<ReplayCandidate, "first">;

/** Returns a packet as the current sheet creates it. */
function shapeOf(step: Transition | undefined): Shape | undefined {
  if (!step) return undefined;
  const { packet, progress } = step.record;
  const { facts } = step.entry;
  const held = progress.status === "HELD" ? { held: { reason: progress.reason ?? "", facts } } : {};
  return { packet, governance: facts.governance ?? [], ...held };
}

/** Returns an existing packet in the form in which the current policy allows it to be sent. */
async function governedAgain(engine: Engine, original: Packet): Promise<Shape> {
  const { packet, decisions, blocked } = await governAgain(engine, original);
  const shape = { packet, governance: decisions as unknown as Json };
  return blocked === undefined ? shape : { ...shape, held: { reason: blocked, facts: { reason: "governance" } } };
}

/** Records a revision of each packet: in one write, or one by one if that conflicts. */
async function reviseTogether(
  engine: Engine,
  job: Replay,
  candidates: readonly ReplayCandidate[],
): Promise<Stored<"packet">[]> {
  const revised = candidates.map(({ first }) => first);
  if (await record(engine, revised)) return revised.map(asStored);
  return Promise.all(candidates.map((candidate) => reviseOne(engine, job, candidate)));
}

/** Returns the revision that this job has already created, or records the next free one. */
async function reviseOne(engine: Engine, job: Replay, candidate: ReplayCandidate): Promise<Stored<"packet">> {
  for (let number = candidate.packet.version.revision + 1; ; number++) {
    const revised = revision(engine, job, candidate, { number });
    if (await record(engine, [revised])) return asStored(revised);
    const [existing] = await engine.store.read("packet", [revised.record.packet.id]);
    if (existing?.value.packet.job === job.id) return existing;
    // The write conflicted with another one, but the number is still free: try it again.
    if (!existing) number--;
  }
}

interface RevisionOptions {
  /** Default: the packet's revision plus one. */
  readonly number?: number;
  /** Facts of the operator's action, for the ledger. */
  readonly act?: Facts;
}

function revision(
  engine: Engine,
  { id: job, actor, request: { force } }: RevisionContext,
  { packet, held, governance }: Shape,
  { number = packet.version.revision + 1, act = {} }: RevisionOptions = {},
): Transition {
  const revised = revise(packet, number, { ...(job !== undefined && { job }), ...(force && { force }) });
  const facts = { ...held?.facts, ...initialFacts(revised, engine.bridgeKey), governance, actor, ...act };
  const now = engine.clock.now();
  return held
    ? createPacketRecord(revised, now, { status: "HELD", facts, progress: { reason: held.reason } })
    : createPacketRecord(revised, now, { status: "QUEUED", facts, progress: { unsent: true } });
}

async function record(engine: Engine, revisions: readonly Transition[]): Promise<boolean> {
  const entries = revisions.map(({ entry }) => entry);
  if ((await engine.store.write(revisions.map(newPut), entries)) === "conflict") return false;
  logHeld(engine, revisions);
  return true;
}

function asStored({ record: value }: Transition): Stored<"packet"> {
  return { value, etag: 1 };
}

/**
 * Replays one packet: releases it if it is held, otherwise sends a new revision.
 *
 * A discarded or replaced packet is refused.
 */
export async function replayPacket(
  engine: Engine,
  { force, ...request }: Omit<ReleaseRequest, "job"> & Pick<ReplayRequest, "force">,
  by: Actor,
): Promise<OperationResult> {
  const act = auditFacts("replay", by);
  const found = await packetFor(engine, request.id, request.etag, ["HELD", "SENT", "UNCHANGED", "SUPERSEDED"]);
  if (found.kind !== "found") return found;
  const { packet, progress } = found.stored.value;
  if (progress.status === "HELD") return release(engine, request, by);
  if (progress.replacedBy !== undefined) return refusedResult(`${progress.replacedBy} replaced it; replay that packet`);
  if (progress.erasedAt !== undefined)
    return refusedResult("its payload was erased after the retention period; backfill it instead");
  const remap = request.sheet === "current" ? remapper(engine, undefined, engine.clock.now()) : undefined;
  if (remap) await pinSheets(engine, engine.sheets().sheets);
  const shape = remap ? shapeOf(await remap(packet)) : await governedAgain(engine, packet);
  if (!shape) return refusedResult("the current sheets no longer create a packet from its event");
  const context = { actor: by.actor, request: force ? { force } : {} };
  for (let number = packet.version.revision + 1; ; number++) {
    const revised = revision(engine, context, shape, { number, act });
    if (await record(engine, [revised])) {
      const stored = asStored(revised);
      await sendUnsent(engine, [stored]);
      return doneWith(engine, revised.record.packet.id);
    }
    const [existing] = await engine.store.read("packet", [revised.record.packet.id]);
    // The write conflicted with another one, but the number is still free: try it again.
    if (!existing) number--;
  }
}

/** Yields the packets that a job has created, oldest first. */
export async function* packetsOf(engine: Engine, job: Job): AsyncGenerator<PacketRecord> {
  const all = pagesOf((from) => engine.store.packets({ from: job.startedAt, limit: page, ...from }));
  for await (const { items } of all) yield* items.filter(({ packet }) => packet.job === job.id);
}

/** Preview of a replay, according to the current shadow. */
export interface ReplayPreview {
  /** Packets in the window. */
  readonly looked: number;
  /** Replayed packets, counted by their result. */
  readonly sent: number;
  readonly unchanged: number;
  readonly superseded: number;
  readonly held: number;
}

/**
 * Scans all packets of a replay without writing anything.
 *
 * @param onPage called after each page with the number of packets scanned so far
 */
export async function previewReplay(
  engine: Engine,
  request: ReplayRequest,
  onPage: (scanned: number) => unknown = () => {},
): Promise<ReplayPreview> {
  const context: JobContext = { id: "job-trial", actor: "trial", startedAt: engine.clock.now(), request };
  const counts = { looked: 0, sent: 0, unchanged: 0, superseded: 0, held: 0 };
  for await (const { items } of pagesOf(({ after }) => readPage(engine, context, after, page))) {
    for (const candidate of await candidatesOf(engine, context, items))
      counts[await previewOutcomeOf(engine, candidate)]++;
    counts.looked += items.length;
    await onPage(counts.looked);
  }
  return counts;
}

async function previewOutcomeOf(
  engine: Engine,
  { held, first }: ReplayCandidate,
): Promise<"sent" | "unchanged" | "superseded" | "held"> {
  if (held) return "held";
  const { packet } = first.record;
  if (packet.order === "strict") return "sent";
  const [{ shadow }, [health]] = await Promise.all([
    readTargetState(engine, packet),
    engine.store.read("health", [packet.connector]),
  ]);
  const key = shadowKeyOf(engine, health?.value ?? healthOf(engine.clock.now()));
  const left = reconcile(packet, shadow?.value ?? emptyShadow, key);
  switch (left.kind) {
    case "send":
      return "sent";
    case "blend":
      return (await readNewerValues(engine, left.newer)).ok ? "sent" : "held";
    case "tie":
      return "held";
    default:
      return left.kind === "UNCHANGED" ? "unchanged" : "superseded";
  }
}
