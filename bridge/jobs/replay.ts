import { healthOf } from "../delivery/circuit-breaker.ts";
import { emptyShadow, reconcile } from "../delivery/shadow.ts";
import { readShadow, shadowKeyOf } from "../delivery/shadow-store.ts";
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

/** Part of the job that a replay's packets need. */
type JobContext = Pick<Replay, "id" | "actor" | "startedAt" | "request">;

/** Actor of a revision, and its job if there is one. */
type Revising = Pick<JobContext, "actor"> & { readonly id?: string; readonly request: Pick<ReplayRequest, "force"> };

/** Packets read per page of a dry run. */
const page = 200;

/**
 * Sends one page of the packets of a past time window again.
 *
 * Each becomes a new revision with the version it had: what the target already holds ends `UNCHANGED`, what is older
 * than it holds ends `SUPERSEDED`, so that no field goes back. Packets that are still open, that were discarded or
 * replaced by another, that are replays themselves, and whose values were erased are left out; and, with today's sheets, those that these make
 * nothing of. What a person has edited is sent as it was edited, whatever today's sheets say.
 *
 * Doing a page again makes nothing twice: a revision knows the job it was made by.
 */
export async function replayPage(engine: Engine, job: Replay): Promise<JobPage> {
  const { items, next } = await readPage(engine, job, job.after, pageOfJob(job));
  if (job.request.sheet === "current") await pinSheets(engine, engine.sheets().sheets);
  const others = items.filter(({ packet }) => packet.job !== job.id);
  const drafts = await candidatesOf(engine, job, others);
  for (const write of inWrites(drafts, (draft) => weighNew(draft.first))) {
    await sendUnsent(engine, await reviseTogether(engine, job, write));
  }
  return {
    looked: others.length,
    made: drafts.length,
    queues: new Set(drafts.map(({ packet }): QueueName => `lane:${packet.connector}`)),
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

function isReplayed({ packet, progress }: PacketRecord): boolean {
  const isLast = isClosed(progress.status) && progress.status !== "DISCARDED" && progress.replacedBy === undefined;
  return isLast && packet.replayOf === undefined && progress.erasedAt === undefined;
}

/** A packet that is to be sent again, in the shape it is to be sent in. */
interface ReplayCandidate {
  readonly packet: Packet;
  /** Decisions of governance under today's policy. */
  readonly governance: Json;
  /** Reason for which today's sheet or policy holds it. */
  readonly held?: { readonly reason: string; readonly facts: Transition["entry"]["facts"] };
  /** Its next revision, which may be taken. */
  readonly first: Transition;
}

async function candidatesOf(
  engine: Engine,
  errand: JobContext,
  records: readonly PacketRecord[],
): Promise<ReplayCandidate[]> {
  const { id, actor, startedAt, request } = errand;
  const remap = request.sheet === "current" ? remapper(engine, { job: id, actor }, startedAt) : undefined;
  const drafts: ReplayCandidate[] = [];
  for (const { packet } of records.filter(isReplayed)) {
    const mapped = remap && !packet.edited;
    const shape = mapped ? shapeOf(await remap(packet)) : await governedAgain(engine, packet);
    if (shape) drafts.push({ ...shape, first: revision(engine, errand, shape) });
  }
  return drafts;
}

type Shape = Omit<ReplayCandidate, "first">;

/** A packet as today's sheet makes it. */
function shapeOf(step: Transition | undefined): Shape | undefined {
  if (!step) return undefined;
  const { packet, progress } = step.record;
  const { facts } = step.entry;
  const held = progress.status === "HELD" ? { held: { reason: progress.reason ?? "", facts } } : {};
  return { packet, governance: facts.governance ?? [], ...held };
}

/** A packet as it was made, as far as it may leave today. */
async function governedAgain(engine: Engine, made: Packet): Promise<Shape> {
  const { packet, decisions, blocked } = await governAgain(engine, made);
  const shape = { packet, governance: decisions as unknown as Json };
  return blocked === undefined ? shape : { ...shape, held: { reason: blocked, facts: { reason: "governance" } } };
}

/** Records a revision of each packet, all in one write where none of them is there already. */
async function reviseTogether(
  engine: Engine,
  job: Replay,
  drafts: readonly ReplayCandidate[],
): Promise<Stored<"packet">[]> {
  const revised = drafts.map(({ first }) => first);
  if (await record(engine, revised)) return revised.map(asStored);
  return Promise.all(drafts.map((draft) => reviseOne(engine, job, draft)));
}

/** A revision of a packet: the one this job has made already, or the next that is free. */
async function reviseOne(engine: Engine, job: Replay, draft: ReplayCandidate): Promise<Stored<"packet">> {
  for (let number = draft.packet.version.revision + 1; ; number++) {
    const revised = revision(engine, job, draft, { number });
    if (await record(engine, [revised])) return asStored(revised);
    const [there] = await engine.store.read("packet", [revised.record.packet.id]);
    if (there?.value.packet.job === job.id) return there;
    // In the way of another write just now, and still free.
    if (!there) number--;
  }
}

interface RevisionOptions {
  /** Default: the packet's revision plus one. */
  readonly number?: number;
  /** The operator's act, for the ledger. */
  readonly act?: Facts;
}

function revision(
  engine: Engine,
  { id: job, actor, request: { force } }: Revising,
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
 * Sends one packet again: a held one is let go, of a closed one a revision is made.
 *
 * What was discarded does not go again, nor what another has taken the place of.
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
  if (progress.replacedBy !== undefined) return refusedResult(`${progress.replacedBy} took its place; replay that`);
  if (progress.erasedAt !== undefined)
    return refusedResult("what it carried was erased, being old; back-fill it instead");
  const remap = request.sheet === "current" ? remapper(engine, undefined, engine.clock.now()) : undefined;
  if (remap) await pinSheets(engine, engine.sheets().sheets);
  const shape = remap ? shapeOf(await remap(packet)) : await governedAgain(engine, packet);
  if (!shape) return refusedResult("today's sheets make nothing of it any more");
  const errand = { actor: by.actor, request: force ? { force } : {} };
  for (let number = packet.version.revision + 1; ; number++) {
    const revised = revision(engine, errand, shape, { number, act });
    if (await record(engine, [revised])) {
      const stored = asStored(revised);
      await sendUnsent(engine, [stored]);
      return doneWith(engine, revised.record.packet.id);
    }
    const [there] = await engine.store.read("packet", [revised.record.packet.id]);
    // In the way of another write just now, and still free.
    if (!there) number--;
  }
}

/** The packets a job has made, oldest first. */
export async function* packetsOf(engine: Engine, job: Job): AsyncGenerator<PacketRecord> {
  const all = pagesOf((from) => engine.store.packets({ from: job.startedAt, limit: page, ...from }));
  for await (const { items } of all) yield* items.filter(({ packet }) => packet.job === job.id);
}

/** Result of a replay's dry run, computed from the shadows as they are now. */
export interface ReplayPreview {
  /** Packets of the window. */
  readonly looked: number;
  /** Those that would be made again, by what would become of each. */
  readonly sent: number;
  readonly unchanged: number;
  readonly superseded: number;
  readonly held: number;
}

/**
 * Goes through all of a replay and makes nothing.
 *
 * @param onPage called with the number of packets read so far
 */
export async function previewReplay(
  engine: Engine,
  request: ReplayRequest,
  onPage: (looked: number) => unknown = () => {},
): Promise<ReplayPreview> {
  const errand: JobContext = { id: "job-trial", actor: "trial", startedAt: engine.clock.now(), request };
  const trial = { looked: 0, sent: 0, unchanged: 0, superseded: 0, held: 0 };
  for await (const { items } of pagesOf(({ after }) => readPage(engine, errand, after, page))) {
    for (const draft of await candidatesOf(engine, errand, items)) trial[await previewOutcomeOf(engine, draft)]++;
    trial.looked += items.length;
    await onPage(trial.looked);
  }
  return trial;
}

async function previewOutcomeOf(
  engine: Engine,
  { held, first }: ReplayCandidate,
): Promise<"sent" | "unchanged" | "superseded" | "held"> {
  if (held) return "held";
  const { packet } = first.record;
  if (packet.order === "strict") return "sent";
  const [shadow, [health]] = await Promise.all([
    readShadow(engine, packet),
    engine.store.read("health", [packet.connector]),
  ]);
  const key = shadowKeyOf(engine, health?.value ?? healthOf(engine.clock.now()));
  const { kind } = reconcile(packet, shadow?.value ?? emptyShadow, key);
  return kind === "send" ? "sent" : kind === "UNCHANGED" ? "unchanged" : "superseded";
}
