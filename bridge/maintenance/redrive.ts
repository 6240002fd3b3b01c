import { changeHealth, isDown } from "../delivery/circuit-breaker.ts";
import type { Engine } from "../engine.ts";
import { type Connector, connectorId } from "../model/connector.ts";
import type { Health } from "../model/target-health.ts";

/** SQS moves at most this many messages a second out of a dead-letter queue. Source: `StartMessageMoveTask`. */
const maxRedrivePerSecond = 500;

/** How fast a redrive begins. */
const firstPerSecond = 20;

/**
 * Sends an outbox back to its lanes: at once on recovery, else with growing gaps. It begins slowly, and twice as fast
 * each tick, so that a target that has just woken is not struck down; one that falls asleep again gets no more.
 */
export async function redriveWhenDue(engine: Engine, connector: Connector): Promise<void> {
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
