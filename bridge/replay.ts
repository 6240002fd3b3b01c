import { birthFacts } from "./expand.ts";
import { isClosed } from "./ledger.ts";
import { revise } from "./pack.ts";
import type { Engine } from "./ports.ts";
import { sendUnsent } from "./queueing.ts";
import type { PacketRecord } from "./records.ts";
import { begin } from "./step.ts";

export interface ReplayRequest {
  /** By time of recording, ms since the epoch: from inclusive, to exclusive. */
  readonly from: number;
  readonly to: number;
  readonly connector?: string;
  /** Send even what the target is believed to hold, as after it was restored from a backup. */
  readonly force?: boolean;
  /** Who asked: goes into the ledger. */
  readonly actor: string;
}

const page = 200;

/**
 * Sends the packets of a past time window again.
 *
 * Each becomes a new revision with the version it had: what the target already holds ends `UNCHANGED`, what is older
 * than it holds ends `SUPERSEDED`, so that no field goes back. Packets that are still open, that were discarded or
 * replaced by an edit, and that are replays themselves are left out.
 *
 * @returns the new revisions, as they are put on their queues
 */
export async function* replay(engine: Engine, request: ReplayRequest): AsyncGenerator<PacketRecord> {
  let after: string | undefined;
  // The window's own revisions are recorded while it is read: it ends where it ended at the beginning.
  const to = Math.min(request.to, engine.clock.now() + 1);
  do {
    const { from, connector } = request;
    const found = await engine.store.packets({
      from,
      to,
      limit: page,
      ...(connector && { connector }),
      ...(after && { after }),
    });
    for (const record of found.items) {
      const { packet, progress } = record;
      const again = isClosed(progress.status) && progress.status !== "DISCARDED" && packet.replayOf === undefined;
      if (again) yield await sendAgain(engine, record, request);
    }
    after = found.next;
  } while (after !== undefined);
}

async function sendAgain(
  engine: Engine,
  { packet }: PacketRecord,
  { force, actor }: ReplayRequest,
): Promise<PacketRecord> {
  for (let revision = packet.version.revision + 1; ; revision++) {
    const revised = revise(packet, revision, force ? { force } : {});
    const facts = { ...birthFacts(revised, engine.bridgeKey), actor };
    const { record, entry } = begin(revised, engine.clock.now(), "QUEUED", facts, { unsent: true });
    const put = { kind: "packet", id: revised.id, value: record, etag: 0 } as const;
    // A conflict: an earlier replay or an edit has made this revision already.
    if ((await engine.store.write([put], [entry])) === "conflict") continue;
    await sendUnsent(engine, { value: record, etag: 1 });
    return record;
  }
}
