import { birthFacts } from "./expand.ts";
import { isClosed } from "./ledger.ts";
import { revise } from "./pack.ts";
import type { Engine, Stored } from "./ports.ts";
import { sendUnsent } from "./queueing.ts";
import type { Job, PacketRecord } from "./records.ts";
import { begin, type Stepped } from "./step.ts";

export interface ReplayRequest {
  /** By time of recording, ms since the epoch: from inclusive, to exclusive; at the latest when the job began. */
  readonly from: number;
  readonly to: number;
  readonly connector?: string;
  /** Send even what the target is believed to hold, as after it was restored from a backup. */
  readonly force?: boolean;
}

/** Packets looked at between two checkpoints. A revision is a put, an entry, and in a strict lane one more: 33 in a write. */
const page = 198;
const revisionsAWrite = 33;

/** What one page of a job came to. */
export interface JobPage {
  readonly looked: number;
  readonly made: number;
  /** The connectors it made packets for. */
  readonly connectors: ReadonlySet<string>;
  /** The cursor behind it; absent behind the last page. */
  readonly after?: string;
}

/**
 * Sends one page of the packets of a past time window again.
 *
 * Each becomes a new revision with the version it had: what the target already holds ends `UNCHANGED`, what is older
 * than it holds ends `SUPERSEDED`, so that no field goes back. Packets that are still open, that were discarded or
 * replaced by an edit, and that are replays themselves are left out.
 *
 * Doing a page again makes nothing twice: a revision knows the job it was made by.
 */
export async function replayPage(engine: Engine, job: Job): Promise<JobPage> {
  const { from, to, connector } = job.request;
  const { items, next } = await engine.store.packets({
    from,
    to,
    limit: page,
    ...(connector && { connector }),
    ...(job.after && { after: job.after }),
  });
  const others = items.filter(({ packet }) => packet.job !== job.id);
  const again = others.filter(isReplayed);
  for (let i = 0; i < again.length; i += revisionsAWrite) {
    const revised = await reviseTogether(engine, job, again.slice(i, i + revisionsAWrite));
    await sendUnsent(
      engine,
      revised.filter(({ value }) => value.progress.unsent),
    );
  }
  return {
    looked: others.length,
    made: again.length,
    connectors: new Set(again.map(({ packet }) => packet.connector)),
    ...(next && { after: next }),
  };
}

function isReplayed({ packet, progress }: PacketRecord): boolean {
  return isClosed(progress.status) && progress.status !== "DISCARDED" && packet.replayOf === undefined;
}

/** Records a revision of each packet, all in one write where none of them is there already. */
async function reviseTogether(engine: Engine, job: Job, records: readonly PacketRecord[]): Promise<Stored<"packet">[]> {
  const first = records.map(({ packet }) => revision(engine, job, packet, packet.version.revision + 1));
  if (first.length > 0 && (await record(engine, first))) return first.map(asStored);
  return Promise.all(records.map((each) => reviseOne(engine, job, each)));
}

/** A revision of a packet: the one this job has made already, or the next that is free. */
async function reviseOne(engine: Engine, job: Job, { packet }: PacketRecord): Promise<Stored<"packet">> {
  for (let number = packet.version.revision + 1; ; number++) {
    const revised = revision(engine, job, packet, number);
    if (await record(engine, [revised])) return asStored(revised);
    const [there] = await engine.store.read("packet", [revised.record.packet.id]);
    if (there?.value.packet.job === job.id) return there;
    // In the way of another write just now, and still free.
    if (!there) number--;
  }
}

function revision(engine: Engine, job: Job, packet: PacketRecord["packet"], number: number): Stepped {
  const { force } = job.request;
  const revised = revise(packet, number, { job: job.id, ...(force && { force }) });
  const facts = { ...birthFacts(revised, engine.bridgeKey), actor: job.actor };
  return begin(revised, engine.clock.now(), "QUEUED", facts, { unsent: true });
}

async function record(engine: Engine, revisions: readonly Stepped[]): Promise<boolean> {
  const puts = revisions.map(({ record: value }) => ({ kind: "packet", id: value.packet.id, value, etag: 0 }) as const);
  const entries = revisions.map(({ entry }) => entry);
  return (await engine.store.write(puts, entries)) === "written";
}

function asStored({ record: value }: Stepped): Stored<"packet"> {
  return { value, etag: 1 };
}

/** The packets a job has made, oldest first. */
export async function* packetsOf(engine: Engine, job: Job): AsyncGenerator<PacketRecord> {
  let after: string | undefined;
  do {
    const found = await engine.store.packets({ from: job.startedAt, limit: page, ...(after && { after }) });
    yield* found.items.filter(({ packet }) => packet.job === job.id);
    after = found.next;
  } while (after !== undefined);
}
