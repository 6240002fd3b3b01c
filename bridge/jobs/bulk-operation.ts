import type { Engine } from "../engine.ts";
import type { BulkRequest, Job } from "../model/job.ts";
import type { PacketRecord } from "../model/packet-record.ts";
import { discard } from "../operations/discard.ts";
import type { Actor } from "../operations/operator.ts";
import type { OperationResult } from "../operations/packet-operation.ts";
import { planRelease, release } from "../operations/release.ts";
import type { QueueName } from "../ports/queue.ts";
import { pagesOf } from "../values/pagination.ts";
import type { JobPage } from "./job-page.ts";

type Bulk = Job & { readonly kind: "bulk" };

/** Packets looked at between two checkpoints. */
const page = 100;

/**
 * Does the same to one page of the held packets that fit a filter.
 *
 * Doing a page again does nothing twice: what was let go is not held any more, and where it is held again by then it
 * knows the job that had let it go.
 */
export async function bulkPage(engine: Engine, job: Bulk): Promise<JobPage> {
  const { request } = job;
  const by: Actor = { actor: job.actor, reason: request.reason };
  const { items, next } = await readPage(engine, request, job.after, Math.min(page, job.perSecond ?? page));
  let made = 0;
  const queues = new Set<QueueName>();
  for (const record of items) {
    const { packet, progress } = record;
    if (progress.releasedBy === job.id || packet.job === job.id) continue;
    const acted = await actOn(engine, job, record, by);
    if (acted.kind !== "done") continue;
    made++;
    queues.add(`lane:${acted.packet.value.packet.connector}`);
  }
  return { looked: items.length, made, queues, ...(next !== undefined && { after: next }) };
}

function actOn(
  engine: Engine,
  { id: job, request }: Bulk,
  { packet: { id } }: PacketRecord,
  by: Actor,
): Promise<OperationResult> {
  return request.act === "discard"
    ? discardHeld(engine, id, by)
    : release(engine, { id, sheet: request.sheet, job }, by);
}

/** Only what is held still: another person may have let it go since the page was read. */
async function discardHeld(engine: Engine, id: string, by: Actor): Promise<OperationResult> {
  const [stored] = await engine.store.read("packet", [id]);
  if (stored?.value.progress.status !== "HELD") return { kind: "missing" };
  return discard(engine, id, by, stored.etag);
}

function readPage(engine: Engine, { filter }: BulkRequest, after: string | undefined, limit: number) {
  return engine.store.packets({ ...filter, statuses: ["HELD"], limit, ...(after !== undefined && { after }) });
}

/** Result of the dry run of a bulk operation. */
export interface BulkPreview {
  readonly looked: number;
  /** Packets it would be done to. */
  readonly made: number;
  /** Number of packets that today's sheet or policy would hold again. Only for a release. */
  readonly held: number;
  /** Packets that would stay as they are, by why. */
  readonly refused: Readonly<Record<string, number>>;
  /** The first packets, with what would become of each. */
  readonly samples: readonly { readonly packet: PacketRecord; readonly fate: string }[];
}

const samplesShown = 20;

/**
 * Goes through all of a bulk act and changes nothing.
 *
 * @param onPage called with the number of packets read so far
 */
export async function previewBulk(
  engine: Engine,
  request: BulkRequest,
  onPage: (looked: number) => unknown = () => {},
): Promise<BulkPreview> {
  const trial = { looked: 0, made: 0, held: 0, refused: {} as Record<string, number> };
  const samples: BulkPreview["samples"][number][] = [];
  for await (const { items } of pagesOf(({ after }) => readPage(engine, request, after, page))) {
    for (const record of items) {
      const fate = await previewOutcomeOf(engine, record, request);
      if (fate.kind === "refused") trial.refused[fate.why] = (trial.refused[fate.why] ?? 0) + 1;
      else trial.made++;
      if (fate.kind === "held") trial.held++;
      if (samples.length < samplesShown) samples.push({ packet: record, fate: "why" in fate ? fate.why : fate.kind });
    }
    trial.looked += items.length;
    await onPage(trial.looked);
  }
  return { ...trial, samples };
}

type PreviewOutcome =
  | { readonly kind: "refused" | "held"; readonly why: string }
  | { readonly kind: "goes" | "is discarded" };

async function previewOutcomeOf(
  engine: Engine,
  record: PacketRecord,
  { act, sheet }: BulkRequest,
): Promise<PreviewOutcome> {
  if (act === "discard") return { kind: "is discarded" };
  const way = await planRelease(engine, record, { sheet });
  if (way.kind === "refused") return { kind: "refused", why: way.why };
  if (way.kind === "replaced" && way.held) return { kind: "held", why: way.held.reason };
  return { kind: "goes" };
}
