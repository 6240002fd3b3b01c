import { changeHealth } from "../delivery/circuit-breaker.ts";
import type { Engine } from "../engine.ts";
import { resumeUnsent } from "../intake/accept.ts";
import { requeue, sendUnsent, wakeLaneHead } from "../recording/enqueue.ts";
import { pagesOf } from "../values/pagination.ts";
import { purgeExpired } from "./retention.ts";
import { runAll } from "./run-all.ts";

/** A queue forgets a message after 14 days; one that has waited this long is put there anew. */
const maxQueuedMs = 13 * 86_400_000;

/** What the watchdog looks through of one connector's open packets at a time. */
const sweepPage = 200;

/** So many of a connector's oldest packets are looked at for late ones: more than that is an outage, whatever the number. */
const lateCounted = 2_000;

/** What a sheet that says nothing has. */
const defaultWindowMs = 60_000;

/**
 * Compares the table with the queues, and mends what a crash between the two has left: events whose packets are not all
 * recorded, packets that no queue holds. Says when packets are later than they may be, and erases what is old.
 */
export async function runWatchdog(engine: Engine): Promise<void> {
  const { ids } = engine.catalog;
  await runAll(engine, [
    resumeUnsent(engine),
    purgeExpired(engine),
    ...ids.map((id) => requeueLost(engine, id)),
    ...ids.map((id) => checkWindow(engine, id)),
  ]);
}

interface Late {
  /** Up to `lateCounted`. */
  readonly packets: number;
  readonly oldest?: { readonly packet: string; readonly lateMs: number };
}

/**
 * Says when a connector's packets begin to be later than their consistency window, and when none is any more: one
 * breach an episode, however many packets it makes late. What waits for a person has been said already.
 */
async function checkWindow(engine: Engine, connector: string): Promise<void> {
  const [stored] = await engine.store.read("health", [connector]);
  const breached = stored?.value.breachedSince !== undefined;
  const { packets, oldest } = await lateOf(engine, connector);
  if (breached === packets > 0) return;
  await changeHealth(engine, connector, ({ breachedSince, ...health }, now) =>
    packets > 0 ? { ...health, breachedSince: breachedSince ?? now } : health,
  );
  engine.log(oldest ? { step: "window-breach", connector, packets, ...oldest } : { step: "window-kept", connector });
}

async function lateOf(engine: Engine, connector: string): Promise<Late> {
  const now = engine.clock.now();
  // Nothing that was recorded since can be late yet.
  const before = now - Math.min(...engine.sheets().sheets.map(({ windowMs }) => windowMs), defaultWindowMs);
  let packets = 0;
  let looked = 0;
  let oldest: Late["oldest"];
  const all = pagesOf((from) => engine.store.waiting(connector, { before, limit: sweepPage, ...from }));
  for await (const { items } of all) {
    looked += items.length;
    for (const { packet, progress } of items) {
      const lateMs = now - progress.queuedAt - packet.windowMs;
      if (lateMs <= 0) continue;
      packets++;
      if (lateMs > (oldest?.lateMs ?? 0)) oldest = { packet: packet.id, lateMs };
    }
    if (looked >= lateCounted) break;
  }
  return { packets, ...(oldest && { oldest }) };
}

/**
 * Finds open packets that no queue holds any more, and puts them back.
 *
 * One that was never confirmed to be on its queue goes there at once, under the id it already has; a confirmed one only
 * when lane queue and outbox are both empty, or after 13 days, because it is normally just waiting its turn.
 */
async function requeueLost(engine: Engine, connector: string): Promise<void> {
  const { store, queue, times, clock } = engine;
  await sendUnsent(engine, await store.unsent(connector, sweepPage));

  const [lane, outbox] = await Promise.all([queue.depth(`lane:${connector}`), queue.depth(`outbox:${connector}`)]);
  const empty = lane.waiting + lane.inFlight + outbox.waiting + outbox.inFlight === 0;
  const before = clock.now() - (empty ? times.putBackMs : maxQueuedMs);
  const rung = new Set<string>();
  for await (const { items } of pagesOf((from) => store.waiting(connector, { before, limit: sweepPage, ...from }))) {
    for (const { packet, progress, recordedAt } of items) {
      if ((progress.putAt ?? recordedAt) > before) continue;
      if (progress.lease && progress.lease.until > clock.now()) continue;
      if (progress.place === "behind") {
        if (!rung.has(packet.lane)) await wakeLaneHead(engine, packet.lane);
        rung.add(packet.lane);
        continue;
      }
      const [stored] = await store.read("packet", [packet.id]);
      if (!stored || stored.value.progress.tail.seq !== progress.tail.seq) continue;
      engine.log({ step: "put-back", packet: packet.id, connector });
      await requeue(engine, stored, "no queue held it");
    }
  }
}
