import { changeHealth, healthOf, isDown, markDown, markUp } from "../delivery/circuit-breaker.ts";
import { contextOf } from "../delivery/connector-context.ts";
import { withinDeadline } from "../delivery/deadline.ts";
import type { Engine } from "../engine.ts";
import { type Connector, connectorId } from "../model/connector.ts";
import type { Health } from "../model/target-health.ts";
import { isPast } from "../values/stored-time.ts";

/** Probes a target if it is down, has recent failures or has packets in its outbox, and if its next probe is due. */
export async function probeWhenDue(engine: Engine, connector: Connector): Promise<void> {
  const id = connectorId(connector);
  const now = engine.clock.now();
  const health = (await engine.store.read("health", [id]))[0]?.value ?? healthOf(now);
  const suspect = isDown(health) || health.strikes.length > 0 || (await engine.queue.depth(`outbox:${id}`)).waiting > 0;
  // Half a tick early counts as due, because the next tick would miss the time by more.
  const isDue = isPast(health.probedAt ?? 0, now, engine.times.probeMs - engine.times.tickMs / 2);
  if (!suspect || !isDue) return;
  await probe(engine, connector);
}

/**
 * Probes a target and records the result in its health.
 *
 * An error of the target is not thrown: a target that cannot be probed counts as down.
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
