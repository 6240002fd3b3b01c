import { birthFacts } from "./expand.ts";
import { isClosed } from "./ledger.ts";
import { type Packet, revise } from "./pack.ts";
import type { Engine, Stored } from "./ports.ts";
import { sendUnsent } from "./queueing.ts";
import type { Job, PacketRecord } from "./records.ts";
import { begin, type Stepped } from "./step.ts";
import { inWrites, newPut, weighNew } from "./writes.ts";

export interface ReplayRequest {
  /** By time of recording, ms since the epoch: from inclusive, to exclusive; at the latest when the job began. */
  readonly from: number;
  readonly to: number;
  readonly connector?: string;
  /** Send even what the target is believed to hold, as after it was restored from a backup. */
  readonly force?: boolean;
}

/** Packets looked at between two checkpoints. */
const page = 200;

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
  const drafts = again.map(({ packet }) => ({ packet, revised: revision(engine, job, packet) }));
  for (const write of inWrites(drafts, ({ revised }) => weighNew(revised))) {
    const recorded = await reviseTogether(engine, job, write);
    await sendUnsent(
      engine,
      recorded.filter(({ value }) => value.progress.unsent),
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

interface Draft {
  readonly packet: Packet;
  readonly revised: Stepped;
}

/** Records a revision of each packet, all in one write where none of them is there already. */
async function reviseTogether(engine: Engine, job: Job, drafts: readonly Draft[]): Promise<Stored<"packet">[]> {
  const revised = drafts.map((draft) => draft.revised);
  if (await record(engine, revised)) return revised.map(asStored);
  return Promise.all(drafts.map(({ packet }) => reviseOne(engine, job, packet)));
}

/** A revision of a packet: the one this job has made already, or the next that is free. */
async function reviseOne(engine: Engine, job: Job, packet: Packet): Promise<Stored<"packet">> {
  for (let number = packet.version.revision + 1; ; number++) {
    const revised = revision(engine, job, packet, number);
    if (await record(engine, [revised])) return asStored(revised);
    const [there] = await engine.store.read("packet", [revised.record.packet.id]);
    if (there?.value.packet.job === job.id) return there;
    // In the way of another write just now, and still free.
    if (!there) number--;
  }
}

function revision(engine: Engine, job: Job, packet: Packet, number = packet.version.revision + 1): Stepped {
  const { force } = job.request;
  const revised = revise(packet, number, { job: job.id, ...(force && { force }) });
  const facts = { ...birthFacts(revised, engine.bridgeKey), actor: job.actor };
  return begin(revised, engine.clock.now(), "QUEUED", facts, { unsent: true });
}

async function record(engine: Engine, revisions: readonly Stepped[]): Promise<boolean> {
  const entries = revisions.map(({ entry }) => entry);
  return (await engine.store.write(revisions.map(newPut), entries)) === "written";
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
