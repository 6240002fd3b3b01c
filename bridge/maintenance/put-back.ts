// Puts packets back on their lane queues that are in no queue, for example after a queue was purged.
import { isDown } from "../delivery/circuit-breaker.ts";
import { readTargetState } from "../delivery/shadow-store.ts";
import type { Engine } from "../engine.ts";
import { isClosed } from "../model/ledger-entry.ts";
import type { PacketRecord } from "../model/packet-record.ts";
import type { Health } from "../model/target-health.ts";
import type { Page } from "../ports/store.ts";
import { requeue, sendUnsent, wakeLaneHead } from "../recording/enqueue.ts";
import { pagesOf } from "../values/pagination.ts";
import { clockErrorMs, isAhead, isPast } from "../values/stored-time.ts";

/** Age after which any waiting packet is requeued. Source: SQS deletes a message after 14 days. */
const maxQueuedMs = 13 * 86_400_000;

/** Time after which a packet is put back that should have been tried, if its queue cannot be searched. */
const overdueMs = 15 * 60_000;

/** Open packets of one connector read per page. */
const page = 200;

/** Messages in a connector's queues, and its target's health. */
interface Situation {
  readonly laneIsEmpty: boolean;
  readonly outboxIsEmpty: boolean;
  readonly health: Health | undefined;
}

/**
 * Finds a connector's open packets that are in no queue, and requeues them.
 *
 * A packet whose enqueue was never confirmed is sent at once, under the same deduplication id. A confirmed one is requeued
 * once it is certain, or very likely, that no queue has its message. A packet that is put back although a queue still has
 * it is sent once: the second message finds it closed.
 */
export async function requeueLost(engine: Engine, connector: string): Promise<void> {
  const { store, times, clock } = engine;
  await sendUnsent(engine, await store.unsent(connector, page));

  const wokenLanes = new Set<string>();
  let situation: Situation | undefined;
  for await (const { items } of overduePages(engine, connector)) {
    for (const record of items) {
      const { packet, progress, recordedAt } = record;
      if (!isPast(progress.putAt ?? recordedAt, clock.now(), times.putBackMs)) continue;
      if (isAhead(progress.lease?.until, clock.now(), times.leaseMs)) continue;
      if (progress.place === "behind") {
        if (!wokenLanes.has(packet.lane)) await wakeLaneHead(engine, packet.lane);
        wokenLanes.add(packet.lane);
        continue;
      }
      situation ??= await situationOf(engine, connector);
      if (!(await isLost(engine, record, situation))) continue;
      const [stored] = await store.read("packet", [packet.id]);
      if (!stored || stored.value.progress.tail.seq !== progress.tail.seq) continue;
      engine.log({ step: "put-back", packet: packet.id, connector });
      await requeue(engine, stored, "it was in no queue");
    }
  }
}

/** Reads the open packets that were recorded some time ago, or by a clock that was wrong. */
async function* overduePages({ store, times, clock }: Engine, connector: string): AsyncGenerator<Page<PacketRecord>> {
  const now = clock.now();
  const ranges = [{ before: now - times.putBackMs }, { from: now + clockErrorMs, before: Number.MAX_SAFE_INTEGER }];
  for (const range of ranges) {
    yield* pagesOf((from) => store.waiting(connector, { ...range, limit: page, ...from }));
  }
}

async function situationOf({ queue, store }: Engine, connector: string): Promise<Situation> {
  const [lane, outbox, [health]] = await Promise.all([
    queue.depth(`lane:${connector}`),
    queue.depth(`outbox:${connector}`),
    store.read("health", [connector]),
  ]);
  return {
    laneIsEmpty: lane.waiting + lane.inFlight === 0,
    outboxIsEmpty: outbox.waiting + outbox.inFlight === 0,
    health: health?.value,
  };
}

async function isLost(engine: Engine, record: PacketRecord, situation: Situation): Promise<boolean> {
  const { packet, progress, recordedAt } = record;
  const { laneIsEmpty, outboxIsEmpty } = situation;
  if (laneIsEmpty && outboxIsEmpty) return true;
  const held = await Promise.all([
    engine.queue.holds(`lane:${packet.connector}`, packet.lane),
    engine.queue.holds(`outbox:${packet.connector}`, packet.lane),
  ]);
  if (!held.includes(undefined)) return !held.includes(true);

  const now = engine.clock.now();
  const since = progress.putAt ?? recordedAt;
  if (isPast(since, now, maxQueuedMs)) return true;
  // A packet in a lane can have been moved to the outbox by its queue only after many receives.
  if (progress.place === "lane" && laneIsEmpty) return true;
  if (!isPast(since, now, overdueMs) || isAhead(progress.nextTryAt, now, engine.times.redriveMaxMs)) return false;
  return progress.place === "outbox" ? missedRedrive(since, now, situation) : wasPassed(engine, record, since);
}

/** Returns true if a redrive has emptied the outbox since, and the packet has not been tried. */
function missedRedrive(since: number, now: number, { health }: Situation): boolean {
  if (!health || isDown(health) || health.paused || health.redrivePerSecond !== undefined) return false;
  return health.redrivenAt !== undefined && since < health.redrivenAt && isPast(health.redrivenAt, now, overdueMs);
}

/** Returns true if a packet that was recorded later has been sent for the same record: its queue keeps their order. */
async function wasPassed(engine: Engine, { packet }: PacketRecord, since: number): Promise<boolean> {
  const { shadow, lane } = await readTargetState(engine, packet);
  if (packet.order === "strict") return lane !== undefined && lane.value.accepted > packet.version.accepted;
  const ids = [...new Set(Object.values(shadow?.value.fields ?? {}).flatMap(({ by }) => by ?? []))];
  const others = await engine.store.read("packet", ids);
  return others.some((other) => {
    if (!other || other.value.packet.id === packet.id) return false;
    return other.value.recordedAt > since && isClosed(other.value.progress.status);
  });
}
