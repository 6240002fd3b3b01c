import { changeHealth, healthOf, isDown, markDown, markUp } from "./delivery/circuit-breaker.ts";
import { contextOf } from "./delivery/connector-context.ts";
import { withinDeadline } from "./delivery/deadline.ts";
import type { Engine } from "./engine.ts";
import { pollWhenDue } from "./inbound/poll-target.ts";
import { type Connector, connectorId } from "./model/connector.ts";
import type { Health } from "./model/target-health.ts";

/** SQS moves at most this many messages a second out of a dead-letter queue. Source: `StartMessageMoveTask`. */
const maxRedrivePerSecond = 500;

/** How fast a redrive begins. */
const firstPerSecond = 20;

/** What one target needs by the clock: to be asked whether it is awake, and what is new, and to be sent what waits. */
export async function tend(engine: Engine, connector: Connector): Promise<void> {
  await probeWhenDue(engine, connector);
  await redriveWhenDue(engine, connector);
  await pollWhenDue(engine, connector);
}

/** Asks a target that is down, or that has begun to fail, whether it is awake. */
async function probeWhenDue(engine: Engine, connector: Connector): Promise<void> {
  const id = connectorId(connector);
  const now = engine.clock.now();
  const health = (await engine.store.read("health", [id]))[0]?.value ?? healthOf(now);
  const suspect = isDown(health) || health.strikes.length > 0 || (await engine.queue.depth(`outbox:${id}`)).waiting > 0;
  // Half a tick early is on time: the next tick would be late by more.
  const dueAt = (health.probedAt ?? 0) + engine.times.probeMs - engine.times.tickMs / 2;
  if (!suspect || now < dueAt) return;
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

/**
 * Sends an outbox back to its lanes: at once on recovery, else with growing gaps. It begins slowly, and twice as fast
 * each tick, so that a target that has just woken is not struck down; one that falls asleep again gets no more.
 */
async function redriveWhenDue(engine: Engine, connector: Connector): Promise<void> {
  const id = connectorId(connector);
  const { store, queue, times } = engine;
  const outbox = `outbox:${id}` as const;
  const health = (await store.read("health", [id]))[0]?.value;
  const now = engine.clock.now();
  if (health?.redrivePerSecond !== undefined) {
    if (isDown(health) || health.paused) await queue.stopMove(outbox);
    else if (await queue.isMoving(outbox)) return speedUp(engine, connector, health.redrivePerSecond);
    await changeHealth(engine, id, ({ redrivePerSecond: _, ...ended }) => ended);
  }
  if (health && (isDown(health) || health.paused)) return;
  if ((await queue.depth(outbox)).waiting === 0) {
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
  await move(engine, connector, firstPerSecond);
  const gap = Math.min(times.redriveMaxMs, (health.redriveGapMs ?? times.redriveMs / 2) * 2);
  await changeHealth(engine, id, (before) => ({ ...before, redriveAt: now + gap, redriveGapMs: gap }));
}

function withoutRedrive(health: Health): Health {
  if (health.redriveAt === undefined) return health;
  const { redriveAt: _a, redriveGapMs: _g, ...rest } = health;
  return rest;
}

async function speedUp(engine: Engine, connector: Connector, perSecond: number): Promise<void> {
  if (perSecond >= fastest(connector)) return;
  await engine.queue.stopMove(`outbox:${connectorId(connector)}`);
  await move(engine, connector, 2 * perSecond);
}

/** Begins to send an outbox back, oldest first, no faster than the connector's own rate. */
async function move(engine: Engine, connector: Connector, wanted: number): Promise<void> {
  const id = connectorId(connector);
  const perSecond = Math.min(wanted, fastest(connector));
  engine.log({ step: "redrive", connector: id, perSecond });
  await engine.queue.startMove(`outbox:${id}`, perSecond);
  await changeHealth(engine, id, (health) => ({ ...health, redrivePerSecond: perSecond }));
}

function fastest({ rate }: Connector): number {
  return Math.min(maxRedrivePerSecond, rate.perSecond ?? maxRedrivePerSecond);
}
