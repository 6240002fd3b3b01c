import { resumeUnsent } from "./accept.ts";
import { type Connector, connectorId } from "./connector.ts";
import { contextOf, withinDeadline } from "./deliver.ts";
import { changeHealth, healthOf, isDown, markDown, markUp } from "./health.ts";
import { errorName } from "./log.ts";
import type { Engine } from "./ports.ts";
import { putBack, ring, sendUnsent } from "./queueing.ts";
import type { Health } from "./records.ts";

/** SQS moves at most this many messages a second out of a dead-letter queue. Source: `StartMessageMoveTask`. */
const maxRedrivePerSecond = 500;

/** A queue forgets a message after 14 days; one that has waited this long is put there anew. */
const maxQueuedMs = 13 * 86_400_000;

/** What the watchdog looks through of one connector's open packets at a time. */
const sweepPage = 200;

/** One round of everything that happens by the clock. What fails for one connector is told, and keeps none else. */
export async function keep(engine: Engine): Promise<void> {
  const rounds = [resumeUnsent(engine), ...engine.catalog.ids.map((id) => keepConnector(engine, id))];
  for (const round of await Promise.allSettled(rounds)) {
    if (round.status === "rejected") engine.log({ step: "keep-failed", error: errorName(round.reason) });
  }
}

async function keepConnector(engine: Engine, id: string): Promise<void> {
  const connector = engine.catalog.get(id) as Connector;
  await watchTarget(engine, connector);
  await redriveWhenDue(engine, connector);
  await sweep(engine, id);
}

/** Asks a target that is down, or that has begun to fail, whether it is awake. */
async function watchTarget(engine: Engine, connector: Connector): Promise<void> {
  const id = connectorId(connector);
  const now = engine.clock.now();
  const health = (await engine.store.read("health", [id]))[0]?.value ?? healthOf(now);
  const suspect = isDown(health) || health.strikes.length > 0 || (await engine.queue.depth(`outbox:${id}`)).waiting > 0;
  if (!suspect || now < (health.probedAt ?? 0) + engine.times.probeMs) return;
  await probe(engine, connector);
}

/**
 * Asks a target whether it is awake, and keeps the answer.
 *
 * Never throws for a target: one that cannot be asked is asleep.
 */
export async function probe(engine: Engine, connector: Connector): Promise<Health> {
  const awake = await isAwake(engine, connector);
  engine.log({ step: "probe", connector: connectorId(connector), awake });
  return changeHealth(engine, connectorId(connector), (health, now) => {
    if (awake === isDown(health)) return { ...(awake ? markUp(health, now) : markDown(health, now)), probedAt: now };
    return { ...health, probedAt: now };
  });
}

async function isAwake(engine: Engine, connector: Connector): Promise<boolean> {
  try {
    return await withinDeadline(engine, false, async (signal) => {
      const context = await contextOf(engine, connector, signal);
      return context.ok && (await connector.probe(context.value));
    });
  } catch {
    return false;
  }
}

/** Sends an outbox back to its lanes: at once on recovery, else with growing gaps. */
async function redriveWhenDue(engine: Engine, connector: Connector): Promise<void> {
  const id = connectorId(connector);
  const { store, queue, times } = engine;
  const health = (await store.read("health", [id]))[0]?.value;
  if (health && (isDown(health) || health.paused)) return;
  const now = engine.clock.now();
  if ((await queue.depth(`outbox:${id}`)).waiting === 0) {
    // What was just sent back may fail again: the gaps go on growing until one passes with nothing left to send back.
    if (health?.redriveAt !== undefined && now >= health.redriveAt) await changeHealth(engine, id, withoutRedrive);
    return;
  }
  if (health?.redriveAt === undefined) {
    await changeHealth(engine, id, (before) => ({
      ...before,
      redriveAt: now + times.redriveMs,
      redriveGapMs: times.redriveMs,
    }));
    return;
  }
  if (now < health.redriveAt) return;
  await redrive(engine, connector);
  const gap = Math.min(times.redriveMaxMs, (health.redriveGapMs ?? times.redriveMs / 2) * 2);
  await changeHealth(engine, id, (before) => ({ ...before, redriveAt: now + gap, redriveGapMs: gap }));
}

function withoutRedrive(health: Health): Health {
  if (health.redriveAt === undefined) return health;
  const { redriveAt: _a, redriveGapMs: _g, ...rest } = health;
  return rest;
}

/** Begins to send an outbox back, oldest first, at the connector's rate. */
export async function redrive(engine: Engine, connector: Connector): Promise<void> {
  const id = connectorId(connector);
  if (await engine.queue.isMoving(id)) return;
  engine.log({ step: "redrive", connector: id });
  await engine.queue.startMove(id, Math.min(maxRedrivePerSecond, connector.rate.perSecond ?? maxRedrivePerSecond));
}

/**
 * Finds open packets that no queue holds any more, and puts them back.
 *
 * One that was never confirmed to be on its queue goes there at once, under the id it already has; a confirmed one only
 * when lane queue and outbox are both empty, or after 13 days, because it is normally just waiting its turn.
 */
async function sweep(engine: Engine, connector: string): Promise<void> {
  const { store, queue, times, clock } = engine;
  for (const stored of await store.unsent(connector, sweepPage)) await sendUnsent(engine, stored);

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
