import type { Engine } from "../engine.ts";
import { acceptOnly } from "../intake/accept.ts";
import { chunkIdOf, chunksOf, isUnsplit, parseChunkId } from "../intake/chunk-id.ts";
import { expand } from "../intake/expand.ts";
import { pinSheets } from "../intake/pinned-sheets.ts";
import { type Plan, plan } from "../intake/plan.ts";
import { recordMissing } from "../intake/record-packets.ts";
import { cutLines } from "../mapping/roster-file.ts";
import { onlyTargets } from "../mapping/sheet-set.ts";
import { acceptanceOf } from "../model/acceptance.ts";
import { connectorId } from "../model/connector.ts";
import type { BackfillRequest, Job, JobRef, Malformed } from "../model/job.ts";
import type { Packet } from "../model/packet.ts";
import type { PacketRecord } from "../model/packet-record.ts";
import type { Roster } from "../model/roster.ts";
import { FileError } from "../ports/files.ts";
import type { QueueName } from "../ports/queue.ts";
import { sendUnsent } from "../recording/enqueue.ts";
import { inWrites, weighNew } from "../recording/transaction-size.ts";
import type { Transition } from "../recording/transitions.ts";
import { InvalidRequestError, InvariantError } from "../values/bridge-error.ts";
import type { JobPage } from "./job-page.ts";
import { pageOfJob } from "./page-size.ts";
import { type Entry, type EventToMap, readSnapshot, withMalformed } from "./snapshot-file.ts";

type Backfill = Job & { readonly kind: "backfill" };

/** Parts of the job that planning and recording need. */
type JobContext = Pick<Backfill, "id" | "actor" | "startedAt" | "request">;

/** Events or lines per page of a preview. */
const page = 200;

/** Wait before the store is read again for recent events that it may not list yet. */
const settleLookMs = 1_000;

/** Checkpoint of a backfill. */
interface Cursor {
  /** Position of the last entry that is done. */
  readonly after?: string | undefined;
  /** Remainder of a large event that is being expanded. */
  readonly large?: LargeEvent;
}

interface LargeEvent {
  readonly key: string;
  readonly chunks: readonly string[];
  readonly rosters: readonly Roster[];
}

/**
 * Maps one page of old data with the current sheets and records its packets for the chosen targets.
 *
 * Packets of a recorded event get the ids and version they would have had originally, so existing packets are not
 * created again and newer values at a target are kept. A snapshot event that is not recorded yet is accepted as if it
 * came from the inbox, but only for these targets and under a separate key, because HMS may still publish it for all.
 *
 * Repeating a page creates no packet twice.
 */
export async function backfillPage(engine: Engine, job: Backfill): Promise<JobPage> {
  const cursor = job.after === undefined ? {} : (JSON.parse(job.after) as Cursor);
  await pinSheets(engine, chosenSheets(engine, job));
  return cursor.large ? largePage(engine, job, cursor, cursor.large) : smallPage(engine, job, cursor);
}

async function smallPage(engine: Engine, job: Backfill, { after }: Cursor): Promise<JobPage> {
  const { entries, end } = await readPage(engine, job, after, pageOfJob(job));
  const steps: Transition[] = [];
  const imported: EventToMap[] = [];
  let large: LargeEvent | undefined;
  let scanned = 0;
  for (const { found } of entries) {
    scanned++;
    if (found?.toImport) imported.push(found);
    else if (found) {
      const planned = await planFor(engine, job, found);
      const chunks = chunksOf(planned);
      if (chunks.length > 0) large = { key: found.key, chunks, rosters: planned.rosters };
      else steps.push(...(await expand(engine, planned, { progress: { unsent: true } })));
    }
    if (large) break;
  }
  const accepted = await importEvents(engine, job, imported);
  // Another job imported one of these events for its own targets, so this job now maps it like any recorded event.
  if (accepted.byAnother) return smallPage(engine, job, { ...(after !== undefined && { after }) });
  const made = accepted.made + (await recordNew(engine, job.id, steps));
  const isOver = end && !large && scanned === entries.length;
  const mustWait = isOver && mayComeYet(engine, job.request);
  if (mustWait) await engine.clock.sleep(settleLookMs);
  const cursor: Cursor = { after: entries[scanned - 1]?.cursor ?? after, ...(large && { large }) };
  return {
    looked: scanned,
    made,
    malformed: entries.slice(0, scanned).flatMap(({ malformed }) => malformed ?? []),
    queues: new Set([...lanesOf(engine, job), ...accepted.queues]),
    ...((!isOver || mustWait) && { after: JSON.stringify(cursor) }),
  };
}

/** Expands the next chunk of an event with a large roster. */
async function largePage(engine: Engine, job: Backfill, { after }: Cursor, large: LargeEvent): Promise<JobPage> {
  const { key, rosters } = large;
  const [stored] = await engine.store.read("event", [key]);
  if (!stored?.value.event) throw new InvariantError(`event ${key} is no longer in the store`);
  const { event } = stored.value;
  const planned = await planFor(engine, job, { key, event, acceptance: acceptanceOf(stored.value) }, rosters);
  const [chunk = "", ...chunks] = await firstCut(engine, planned, large.chunks);
  const steps = await expand(engine, planned, { part: parseChunkId(chunk), progress: { unsent: true } });
  const made = await recordNew(engine, job.id, steps);
  const cursor: Cursor = { after, ...(chunks.length > 0 && { large: { key, rosters, chunks } }) };
  return { looked: 0, made, queues: lanesOf(engine, job), after: JSON.stringify(cursor) };
}

/** Returns the remaining chunks, of which the first can be expanded. If it is unsplit, one chunk is split off first. */
async function firstCut(engine: Engine, { rosters }: Plan, chunks: readonly string[]): Promise<readonly string[]> {
  const [first = "", ...others] = chunks;
  const { match, ...lines } = parseChunkId(first);
  const roster = rosters.find((one) => one.match === match);
  if (!isUnsplit(first) || !roster || "fault" in roster) return chunks;
  try {
    const cut = await cutLines(engine.files, roster, { first: lines.first, from: lines.from ?? 0 }, 1);
    return [...cut.map((part) => chunkIdOf({ match, ...part })), ...others];
  } catch (error) {
    // Expanding this chunk reports the same error in its packet.
    if (error instanceof FileError) return chunks;
    throw error;
  }
}

/** Accepts new events of a snapshot as if they came from the inbox. */
async function importEvents(
  engine: Engine,
  { id, actor, request }: JobContext,
  found: readonly EventToMap[],
): Promise<{ readonly made: number; readonly queues: readonly QueueName[]; readonly byAnother: boolean }> {
  const imported = found.flatMap((one) => one.toImport ?? []);
  await acceptOnly(engine, { job: id, actor, targets: request.targets }, imported);
  const keys = imported.map(({ key }) => key);
  const records = await engine.store.read("event", keys);
  const isLarge = records.some((record) => record?.value.chunks !== undefined);
  return {
    made: records.reduce((sum, record) => sum + (record?.value.packets ?? 0), 0),
    queues: isLarge ? ["inbox"] : [],
    byAnother: records.some((record) => record?.value.only && record.value.only.job !== id),
  };
}

function planFor(
  engine: Engine,
  { request, startedAt, id, actor }: JobContext,
  found: EventToMap,
  rosters?: readonly Roster[],
): Promise<Plan> {
  const by: JobRef = { job: id, actor };
  const sheets = onlyTargets(engine.sheets().byType.get(found.event.type) ?? [], request.targets);
  // `at` selects the targets that are in force now, regardless of the age of the data.
  return plan(engine, found, sheets, {
    at: startedAt,
    by,
    ...(rosters ? { rosters } : { known: found.rosters ?? [] }),
  });
}

/**
 * Records and enqueues the packets that do not exist yet.
 *
 * @returns number of packets created by this job, now or in an interrupted run of this page
 */
async function recordNew(engine: Engine, job: string, steps: readonly Transition[]): Promise<number> {
  const isOurs = (packet: Packet) => packet.job === job;
  let created = 0;
  for (const write of inWrites(steps, weighNew)) {
    const ours = (await recordMissing(engine, write, isOurs)).filter(({ value }) => isOurs(value.packet));
    created += ours.length;
    await sendUnsent(engine, ours);
  }
  return created;
}

/**
 * Resolves an operator's choice to target names. A connector stands for all targets of the current sheets that use it.
 *
 * @param names `sheet.target`
 * @throws {InvalidRequestError} if a target or connector is unknown, or none is chosen
 */
export function targetsOf(
  engine: Engine,
  { targets: names = [], connector }: { readonly targets?: readonly string[]; readonly connector?: string },
): string[] {
  const all = engine
    .sheets()
    .sheets.flatMap((sheet) =>
      sheet.targets.map((target) => ({ name: `${sheet.name}.${target.name}`, connector: target.connector })),
    );
  const unknown = names.filter((name) => !all.some((target) => target.name === name));
  if (unknown.length > 0) {
    throw new InvalidRequestError(
      `no sheet has a target ${unknown.join(", ")}; existing targets: ${all.map(({ name }) => name).join(", ")}`,
    );
  }
  if (connector === undefined) {
    if (names.length === 0) throw new InvalidRequestError("choose where to send the old data: a target or a connector");
    return [...new Set(names)];
  }
  const there = all.filter((target) => idIn(engine, target.connector) === connector).map(({ name }) => name);
  if (there.length === 0) throw new InvalidRequestError(`no sheet has a target that goes to ${connector}`);
  return [...new Set([...names, ...there])];
}

function idIn({ catalog }: Engine, reference: string): string | undefined {
  const found = catalog.find(reference);
  return "issue" in found ? undefined : connectorId(found.connector);
}

function chosenSheets(engine: Engine, { request }: JobContext) {
  const names = new Set(request.targets.map((target) => target.split(".")[0]));
  return engine.sheets().sheets.filter(({ name }) => names.has(name));
}

function lanesOf(engine: Engine, { request }: JobContext): Set<QueueName> {
  const targets = onlyTargets(engine.sheets().sheets, request.targets).flatMap((sheet) => sheet.targets);
  return new Set(
    targets.flatMap(({ connector }): QueueName[] => {
      const id = idIn(engine, connector);
      return id === undefined ? [] : [`lane:${id}`];
    }),
  );
}

/** Returns true if more events of the time window may still appear, because the store lists new events with a delay. */
function mayComeYet({ store, clock }: Engine, { from }: BackfillRequest): boolean {
  return from.kind === "events" && store.eventsSettleMs > 0 && clock.now() < from.until + store.eventsSettleMs;
}

async function readPage(
  engine: Engine,
  { request: { from, targets }, id }: JobContext,
  after: string | undefined,
  limit: number,
): Promise<{ readonly entries: readonly Entry[]; readonly end: boolean }> {
  if (from.kind === "file") {
    const wanted = onlyTargets(engine.sheets().sheets, targets).flatMap(({ sourceEvents }) => sourceEvents);
    return readSnapshot(engine, from, { after, limit, job: id }, ({ type }) => wanted.includes(type));
  }
  const window = { from: from.since * 1_000, to: from.until * 1_000 };
  const events = await engine.store.events({ ...window, limit, ...(after !== undefined && { after }) });
  const entries = events.map(({ key, position, value }) => ({
    cursor: position,
    found: value.event && {
      key,
      event: value.event,
      acceptance: acceptanceOf(value),
      rosters: value.rosters,
    },
  }));
  return { entries, end: events.length < limit };
}

/** Packets that a backfill would create, counted by target. */
export interface BackfillPreview {
  /** Events or lines scanned. */
  readonly looked: number;
  readonly malformed: Malformed;
  readonly targets: Readonly<Record<string, TargetPreview>>;
}

export interface TargetPreview {
  /** Packets that would be created. */
  readonly made: number;
  /** Packets among `made` that would be created `HELD`. */
  readonly held: number;
  /** Packets that already exist. */
  readonly there: number;
  /** First packets, with the fields that would be sent. */
  readonly samples: readonly PacketRecord[];
}

const samplesShown = 3;

/**
 * Scans all data of a backfill without writing anything.
 *
 * @param onPage called after each page with the number of events or lines scanned so far
 */
export async function previewBackfill(
  engine: Engine,
  request: BackfillRequest,
  onPage: (scanned: number) => unknown = () => {},
): Promise<BackfillPreview> {
  const context: JobContext = { id: "job-trial", actor: "trial", startedAt: engine.clock.now(), request };
  const nothing = () => ({ made: 0, held: 0, there: 0, samples: [] as PacketRecord[] });
  const targets = new Map(request.targets.map((target) => [target, nothing()]));
  const seen = new Set<string>();
  const count = async (steps: readonly Transition[]) => {
    const ids = steps.map(({ record }) => record.packet.id);
    const stored = await engine.store.read("packet", ids);
    for (const [i, { record }] of steps.entries()) {
      const counted = targets.get(`${record.packet.sheet}.${record.packet.target}`);
      const isThere = stored[i] !== undefined || seen.has(record.packet.id);
      seen.add(record.packet.id);
      if (!counted) continue;
      if (isThere) counted.there++;
      else {
        counted.made++;
        if (record.progress.status === "HELD") counted.held++;
        if (counted.samples.length < samplesShown) counted.samples.push(record);
      }
    }
  };
  let malformed: Malformed = { lines: 0, first: [] };
  let scanned = 0;
  let after: string | undefined;
  for (let over = false; !over; ) {
    const { entries, end } = await readPage(engine, context, after, page);
    for (const { found } of entries) {
      if (!found) continue;
      const planned = await planFor(engine, context, found);
      let chunks: readonly string[] = chunksOf(planned);
      if (chunks.length === 0) await count(await expand(engine, planned));
      while (chunks.length > 0) {
        const [chunk = "", ...left] = await firstCut(engine, planned, chunks);
        await count(await expand(engine, planned, { part: parseChunkId(chunk) }));
        chunks = left;
      }
    }
    const lines = entries.flatMap((entry) => entry.malformed ?? []);
    malformed = withMalformed(malformed, lines);
    scanned += entries.length;
    await onPage(scanned);
    after = entries.at(-1)?.cursor;
    over = end;
  }
  return { looked: scanned, malformed, targets: Object.fromEntries(targets) };
}
