import { changeHealth, isDown } from "../delivery/circuit-breaker.ts";
import { checkAddress } from "../delivery/target-address.ts";
import type { Engine } from "../engine.ts";
import { type Connector, connectorId } from "../model/connector.ts";
import { type Health, stopReason } from "../model/target-health.ts";
import { isAhead } from "../values/stored-time.ts";

/** Maximum messages per second that SQS moves out of a dead-letter queue. Source: `StartMessageMoveTask`. */
const maxRedrivePerSecond = 500;

/** Messages per second at the start of a redrive. */
const firstPerSecond = 20;

/**
 * Redrives an outbox to its lanes: at once after recovery, otherwise with growing gaps. The rate starts low and doubles
 * each tick, so that a target that has just recovered is not overloaded. The redrive stops if the target goes down.
 */
export async function redriveWhenDue(engine: Engine, connector: Connector): Promise<void> {
  const id = connectorId(connector);
  const { store, queue, times } = engine;
  const outbox = `outbox:${id}` as const;
  const stored = (await store.read("health", [id]))[0]?.value;
  const health = stored && (await checkAddress(engine, connector, stored));
  const mustWait = health !== undefined && (isDown(health) || stopReason(health) !== undefined);
  const now = engine.clock.now();
  if (health?.redrivePerSecond !== undefined) {
    if (mustWait) await queue.stopMove(outbox);
    else if (await queue.isMoving(outbox)) return speedUp(engine, connector, health.redrivePerSecond);
    await changeHealth(engine, id, ({ redrivePerSecond: _, ...ended }, at) =>
      mustWait ? ended : { ...ended, redrivenAt: at },
    );
  }
  if (mustWait) return;
  if ((await queue.depth(outbox)).waiting === 0) {
    // Redriven packets may fail again, so the gap is reset only after one passes with an empty outbox.
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
  if (isAhead(health.redriveAt, now, times.redriveMaxMs)) return;
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

/** Starts moving an outbox to its lanes, oldest first, no faster than the connector's own rate. */
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
