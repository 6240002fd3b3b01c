import type { Engine } from "../engine.ts";
import { acceptOnly } from "../intake/accept.ts";
import { chunkIdOf, chunksOf, isUnsplit, parseChunkId } from "../intake/chunk-id.ts";
import { expand } from "../intake/expand.ts";
import { pinSheets } from "../intake/pinned-sheets.ts";
import { type Plan, plan } from "../intake/plan.ts";
import { recordMissing } from "../intake/record-packets.ts";
import { cutLines } from "../mapping/roster-file.ts";
import { onlyTargets } from "../mapping/sheet-set.ts";
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
import { type Entry, type Found, readSnapshot, withMalformed } from "./snapshot-file.ts";

type Backfill = Job & { readonly kind: "backfill" };

/** Part of the job that a back-fill's plans and packets need. */
type JobContext = Pick<Backfill, "id" | "actor" | "startedAt" | "request">;

/** Events or lines read per page of a dry run. */
const page = 200;

/** Wait of a job for events that were recorded just now and cannot be found yet. */
const settleLookMs = 1_000;

/** Position of a back-fill: the last finished entry, and the remaining chunks of the large event after it. */
interface Cursor {
  readonly after?: string | undefined;
  readonly large?: Large;
}

interface Large {
  readonly key: string;
  readonly chunks: readonly string[];
  readonly rosters: readonly Roster[];
}

/**
 * Takes one page of old data through today's sheets to the chosen targets.
 *
 * A recorded event's packets get the ids and the version they would have had, so that what exists already is not made
 * again, and what is newer at a target stays. An event of a snapshot that is not recorded yet is taken in as the inbox
 * would take it, for these targets, and under a key of its own: HMS may still publish it, for all.
 *
 * Doing a page again makes nothing twice.
 */
export async function backfillPage(engine: Engine, job: Backfill): Promise<JobPage> {
  const cursor = job.after === undefined ? {} : (JSON.parse(job.after) as Cursor);
  await pinSheets(engine, chosenSheets(engine, job));
  return cursor.large ? largePage(engine, job, cursor, cursor.large) : smallPage(engine, job, cursor);
}

async function smallPage(engine: Engine, job: Backfill, { after }: Cursor): Promise<JobPage> {
  const { entries, end } = await readPage(engine, job, after, pageOfJob(job));
  const steps: Transition[] = [];
  const brought: Found[] = [];
  let large: Large | undefined;
  let looked = 0;
  for (const { found } of entries) {
    looked++;
    if (found?.brought) brought.push(found);
    else if (found) {
      const planned = await planFor(engine, job, found);
      const chunks = chunksOf(planned);
      if (chunks.length > 0) large = { key: found.key, chunks, rosters: planned.rosters };
      else steps.push(...(await expand(engine, planned, { progress: { unsent: true } })));
    }
    if (large) break;
  }
  const taken = await bring(engine, job, brought);
  // Another job has brought one of them meanwhile, for its own targets: known now, it is filled back like any other.
  if (taken.byAnother) return smallPage(engine, job, { ...(after !== undefined && { after }) });
  const made = taken.made + (await recordNew(engine, job.id, steps));
  const isOver = end && !large && looked === entries.length;
  const waits = isOver && mayComeYet(engine, job.request);
  if (waits) await engine.clock.sleep(settleLookMs);
  const behind: Cursor = { after: entries[looked - 1]?.cursor ?? after, ...(large && { large }) };
  return {
    looked,
    made,
    malformed: entries.slice(0, looked).flatMap(({ malformed }) => malformed ?? []),
    queues: new Set([...lanesOf(engine, job), ...taken.queues]),
    ...((!isOver || waits) && { after: JSON.stringify(behind) }),
  };
}

/** Processes the next chunk of an event with a large roster. */
async function largePage(engine: Engine, job: Backfill, { after }: Cursor, large: Large): Promise<JobPage> {
  const { key, rosters } = large;
  const [stored] = await engine.store.read("event", [key]);
  if (!stored?.value.event) throw new InvariantError(`event ${key} is no longer in the store`);
  const { event, accepted } = stored.value;
  const planned = await planFor(engine, job, { key, event, accepted }, rosters);
  const [chunk = "", ...chunks] = await firstCut(engine, planned, large.chunks);
  const steps = await expand(engine, planned, { part: parseChunkId(chunk), progress: { unsent: true } });
  const made = await recordNew(engine, job.id, steps);
  const behind: Cursor = { after, ...(chunks.length > 0 && { large: { key, rosters, chunks } }) };
  return { looked: 0, made, queues: lanesOf(engine, job), after: JSON.stringify(behind) };
}

/** The chunks that are left, of which the first can be expanded: one is cut off its file where it is not cut yet. */
async function firstCut(engine: Engine, { rosters }: Plan, chunks: readonly string[]): Promise<readonly string[]> {
  const [first = "", ...others] = chunks;
  const { match, ...lines } = parseChunkId(first);
  const roster = rosters.find((one) => one.match === match);
  if (!isUnsplit(first) || !roster || "fault" in roster) return chunks;
  try {
    const cut = await cutLines(engine.files, roster, { first: lines.first, from: lines.from ?? 0 }, 1);
    return [...cut.map((part) => chunkIdOf({ match, ...part })), ...others];
  } catch (error) {
    // Its packet will say so.
    if (error instanceof FileError) return chunks;
    throw error;
  }
}

/** Has events of a snapshot taken in, as the inbox would take them. */
async function bring(
  engine: Engine,
  { id, actor, request }: JobContext,
  found: readonly Found[],
): Promise<{ readonly made: number; readonly queues: readonly QueueName[]; readonly byAnother: boolean }> {
  const brought = found.flatMap((one) => one.brought ?? []);
  await acceptOnly(engine, { job: id, actor, targets: request.targets }, brought);
  const keys = brought.map(({ key }) => key);
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
  found: Found,
  rosters?: readonly Roster[],
): Promise<Plan> {
  const by: JobRef = { job: id, actor };
  const sheets = onlyTargets(engine.sheets().byType.get(found.event.type) ?? [], request.targets);
  // The targets in force now, for data of any age.
  return plan(engine, found, sheets, {
    at: startedAt,
    by,
    ...(rosters ? { rosters } : { known: found.rosters ?? [] }),
  });
}

/**
 * Records those packets that do not exist yet, and puts them on their queues.
 *
 * @returns how many of them this job has made, now or in a run of this page that broke off
 */
async function recordNew(engine: Engine, job: string, steps: readonly Transition[]): Promise<number> {
  const isOurs = (packet: Packet) => packet.job === job;
  let made = 0;
  for (const write of inWrites(steps, weighNew)) {
    const own = (await recordMissing(engine, write, isOurs)).filter(({ value }) => isOurs(value.packet));
    made += own.length;
    await sendUnsent(engine, own);
  }
  return made;
}

/**
 * Resolves targets named by an operator, or a connector, which stands for all targets of today's sheets that use it.
 *
 * @param names `sheet.target`
 * @throws {InvalidRequestError} if there is no such target, or none at all
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
  const strays = names.filter((name) => !all.some((target) => target.name === name));
  if (strays.length > 0) {
    throw new InvalidRequestError(
      `no sheet has a target ${strays.join(", ")}; there are ${all.map(({ name }) => name).join(", ")}`,
    );
  }
  if (connector === undefined) {
    if (names.length === 0) throw new InvalidRequestError("say where the old data is to go: a target, or a connector");
    return [...new Set(names)];
  }
  const there = all.filter((target) => idIn(engine, target.connector) === connector).map(({ name }) => name);
  if (there.length === 0) throw new InvalidRequestError(`no sheet has a target that goes to ${connector}`);
  return [...new Set([...names, ...there])];
}

function idIn({ catalog }: Engine, reference: string): string | undefined {
  const found = catalog.find(reference);
  return "fault" in found ? undefined : connectorId(found.connector);
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

/** Returns true if events of the window may still appear, because the store lists a new event with a delay. */
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
  const entries = events.map(({ key, position, value: { event, accepted, rosters } }) => ({
    cursor: position,
    found: event && { key, event, accepted, rosters },
  }));
  return { entries, end: events.length < limit };
}

/** Result of a back-fill's dry run: counts by target, with the first packets as they would be sent. */
export interface BackfillPreview {
  /** Events or lines. */
  readonly looked: number;
  readonly malformed: Malformed;
  readonly targets: Readonly<Record<string, TargetPreview>>;
}

export interface TargetPreview {
  /** Packets it would make. */
  readonly made: number;
  /** Number of these that would be held from the start. */
  readonly held: number;
  /** Packets that exist already. */
  readonly there: number;
  readonly samples: readonly PacketRecord[];
}

const samplesShown = 3;

/**
 * Goes through all of a back-fill and makes nothing.
 *
 * @param onPage called with the number of events or lines read so far
 */
export async function previewBackfill(
  engine: Engine,
  request: BackfillRequest,
  onPage: (looked: number) => unknown = () => {},
): Promise<BackfillPreview> {
  const errand: JobContext = { id: "job-trial", actor: "trial", startedAt: engine.clock.now(), request };
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
  let looked = 0;
  let after: string | undefined;
  for (let over = false; !over; ) {
    const { entries, end } = await readPage(engine, errand, after, page);
    for (const { found } of entries) {
      if (!found) continue;
      const planned = await planFor(engine, errand, found);
      let chunks: readonly string[] = chunksOf(planned);
      if (chunks.length === 0) await count(await expand(engine, planned));
      while (chunks.length > 0) {
        const [chunk = "", ...left] = await firstCut(engine, planned, chunks);
        await count(await expand(engine, planned, { part: parseChunkId(chunk) }));
        chunks = left;
      }
    }
    const faults = entries.flatMap((entry) => entry.malformed ?? []);
    malformed = withMalformed(malformed, faults);
    looked += entries.length;
    await onPage(looked);
    after = entries.at(-1)?.cursor;
    over = end;
  }
  return { looked, malformed, targets: Object.fromEntries(targets) };
}
