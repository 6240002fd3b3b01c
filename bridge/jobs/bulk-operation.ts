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

/** Packets per page; a checkpoint follows each page. */
const page = 100;

/**
 * Releases or discards one page of the held packets that match a filter.
 *
 * Repeating a page changes no packet twice: a released packet is no longer held, and if it has been held again, its
 * record contains the id of the job that released it.
 */
export async function bulkPage(engine: Engine, job: Bulk): Promise<JobPage> {
  const { request } = job;
  const by: Actor = { actor: job.actor, reason: request.reason };
  const { items, next } = await readPage(engine, request, job.after, Math.min(page, job.perSecond ?? page));
  let changed = 0;
  const queues = new Set<QueueName>();
  for (const record of items) {
    const { packet, progress } = record;
    if (progress.releasedBy === job.id || packet.job === job.id) continue;
    const result = await actOn(engine, job, record, by);
    if (result.kind !== "done") continue;
    changed++;
    queues.add(`lane:${result.packet.value.packet.connector}`);
  }
  return { looked: items.length, made: changed, queues, ...(next !== undefined && { after: next }) };
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

/** Discards a packet only if it is still held. An operator may have released it since the page was read. */
async function discardHeld(engine: Engine, id: string, by: Actor): Promise<OperationResult> {
  const [stored] = await engine.store.read("packet", [id]);
  if (stored?.value.progress.status !== "HELD") return { kind: "missing" };
  return discard(engine, id, by, stored.etag);
}

function readPage(engine: Engine, { filter }: BulkRequest, after: string | undefined, limit: number) {
  return engine.store.packets({ ...filter, statuses: ["HELD"], limit, ...(after !== undefined && { after }) });
}

/** Preview of a bulk operation. */
export interface BulkPreview {
  readonly looked: number;
  /** Packets that it would change. */
  readonly made: number;
  /** Packets among `made` that the current sheet or policy would hold again. */
  readonly held: number;
  /** Packets that would not change, counted by reason. */
  readonly refused: Readonly<Record<string, number>>;
  /** First packets, each with its result. */
  readonly samples: readonly { readonly packet: PacketRecord; readonly fate: string }[];
}

const samplesShown = 20;

/**
 * Scans all packets of a bulk operation without writing anything.
 *
 * @param onPage called after each page with the number of packets scanned so far
 */
export async function previewBulk(
  engine: Engine,
  request: BulkRequest,
  onPage: (scanned: number) => unknown = () => {},
): Promise<BulkPreview> {
  const counts = { looked: 0, made: 0, held: 0, refused: {} as Record<string, number> };
  const samples: BulkPreview["samples"][number][] = [];
  for await (const { items } of pagesOf(({ after }) => readPage(engine, request, after, page))) {
    for (const record of items) {
      const outcome = await previewOutcomeOf(engine, record, request);
      if (outcome.kind === "refused") counts.refused[outcome.why] = (counts.refused[outcome.why] ?? 0) + 1;
      else counts.made++;
      if (outcome.kind === "held") counts.held++;
      if (samples.length < samplesShown)
        samples.push({ packet: record, fate: "why" in outcome ? outcome.why : outcome.kind });
    }
    counts.looked += items.length;
    await onPage(counts.looked);
  }
  return { ...counts, samples };
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
  const plan = await planRelease(engine, record, { sheet });
  if (plan.kind === "refused") return { kind: "refused", why: plan.why };
  if (plan.kind === "replaced" && plan.held) return { kind: "held", why: plan.held.reason };
  return { kind: "goes" };
}
