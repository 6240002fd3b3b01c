import { resumeUnsent } from "./accept.ts";
import { eachToItsEnd } from "./log.ts";
import type { Engine } from "./ports.ts";
import { putBack, ring, sendUnsent } from "./queueing.ts";

/** A queue forgets a message after 14 days; one that has waited this long is put there anew. */
const maxQueuedMs = 13 * 86_400_000;

/** What the watchdog looks through of one connector's open packets at a time. */
const sweepPage = 200;

/**
 * Compares the table with the queues, and mends what a crash between the two has left: events whose packets are not all
 * recorded, packets that no queue holds.
 */
export async function watch(engine: Engine): Promise<void> {
  await eachToItsEnd(engine, [resumeUnsent(engine), ...engine.catalog.ids.map((id) => sweep(engine, id))]);
}

/**
 * Finds open packets that no queue holds any more, and puts them back.
 *
 * One that was never confirmed to be on its queue goes there at once, under the id it already has; a confirmed one only
 * when lane queue and outbox are both empty, or after 13 days, because it is normally just waiting its turn.
 */
async function sweep(engine: Engine, connector: string): Promise<void> {
  const { store, queue, times, clock } = engine;
  await sendUnsent(engine, await store.unsent(connector, sweepPage));

  const [lane, outbox] = await Promise.all([queue.depth(`lane:${connector}`), queue.depth(`outbox:${connector}`)]);
  const empty = lane.waiting + lane.inFlight + outbox.waiting + outbox.inFlight === 0;
  const before = clock.now() - (empty ? times.putBackMs : maxQueuedMs);
  const rung = new Set<string>();
  let after: string | undefined;
  do {
    const page = await store.waiting(connector, { before, limit: sweepPage, ...(after && { after }) });
    for (const { packet, progress, recordedAt } of page.items) {
      if ((progress.putAt ?? recordedAt) > before) continue;
      if (progress.lease && progress.lease.until > clock.now()) continue;
      if (progress.place === "behind") {
        if (!rung.has(packet.lane)) await ring(engine, packet.lane);
        rung.add(packet.lane);
        continue;
      }
      const [stored] = await store.read("packet", [packet.id]);
      if (!stored || stored.value.progress.tail.seq !== progress.tail.seq) continue;
      engine.log({ step: "put-back", packet: packet.id, connector });
      await putBack(engine, stored, "no queue held it");
    }
    after = page.next;
  } while (after !== undefined);
}
