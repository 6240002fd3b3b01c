import { changeHealth } from "../delivery/circuit-breaker.ts";
import type { Engine } from "../engine.ts";
import { resumeUnsent } from "../intake/accept.ts";
import { pagesOf } from "../values/pagination.ts";
import { checkMissingConnectors } from "./missing-connectors.ts";
import { requeueLost } from "./put-back.ts";
import { purgeExpired } from "./retention.ts";
import { runAll } from "./run-all.ts";

/** Open packets of one connector that the watchdog reads per page. */
const sweepPage = 200;

/** Maximum packets per connector checked for lateness. More than that is an outage, and its exact size is irrelevant. */
const lateCounted = 2_000;

/** Consistency window of a sheet that sets none. */
const defaultWindowMs = 60_000;

/**
 * Compares the store with the queues and repairs what a crash left inconsistent: events whose packets are not all
 * recorded, and packets that are in no queue. Also logs late packets and missing connectors, and erases expired payloads.
 */
export async function runWatchdog(engine: Engine): Promise<void> {
  const { ids } = engine.catalog;
  await runAll(engine, [
    resumeUnsent(engine),
    purgeExpired(engine),
    checkMissingConnectors(engine),
    ...ids.map((id) => requeueLost(engine, id)),
    ...ids.map((id) => checkWindow(engine, id)),
  ]);
}

interface LatePackets {
  /** Up to `lateCounted`. */
  readonly packets: number;
  readonly oldest?: { readonly packet: string; readonly lateMs: number };
}

/**
 * Logs when a connector's packets start to exceed their consistency window and when none does anymore. One breach is
 * logged per episode, regardless of the number of late packets. Held packets do not count: they raise their own alert.
 */
async function checkWindow(engine: Engine, connector: string): Promise<void> {
  const [stored] = await engine.store.read("health", [connector]);
  const breached = stored?.value.breachedSince !== undefined;
  const { packets, oldest } = await findLatePackets(engine, connector);
  if (breached === packets > 0) return;
  await changeHealth(engine, connector, ({ breachedSince, ...health }, now) =>
    packets > 0 ? { ...health, breachedSince: breachedSince ?? now } : health,
  );
  engine.log(oldest ? { step: "window-breach", connector, packets, ...oldest } : { step: "window-kept", connector });
}

async function findLatePackets(engine: Engine, connector: string): Promise<LatePackets> {
  const now = engine.clock.now();
  // Packets recorded after this cannot be late yet.
  const before = now - Math.min(...engine.sheets().sheets.map(({ windowMs }) => windowMs), defaultWindowMs);
  let packets = 0;
  let scanned = 0;
  let oldest: LatePackets["oldest"];
  const all = pagesOf((from) => engine.store.waiting(connector, { before, limit: sweepPage, ...from }));
  for await (const { items } of all) {
    scanned += items.length;
    for (const { packet, progress } of items) {
      const lateMs = now - progress.queuedAt - packet.windowMs;
      if (lateMs <= 0) continue;
      packets++;
      if (lateMs > (oldest?.lateMs ?? 0)) oldest = { packet: packet.id, lateMs };
    }
    if (scanned >= lateCounted) break;
  }
  return { packets, ...(oldest && { oldest }) };
}
