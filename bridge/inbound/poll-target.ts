import { changeHealth } from "../delivery/circuit-breaker.ts";
import { configOf, contextOf } from "../delivery/connector-context.ts";
import { withinDeadline } from "../delivery/deadline.ts";
import type { Engine } from "../engine.ts";
import { type Connector, connectorId, type NotPolled, type Polled } from "../model/connector.ts";
import { stopReason } from "../model/target-health.ts";
import { errorName } from "../observability/log.ts";
import { enqueueEvents } from "../recording/enqueue.ts";
import { isPast } from "../values/stored-time.ts";
import { inboundEvent } from "./receive-webhook.ts";

/**
 * Polls a target that sends no webhooks, if its next poll is due. Continues while the target has more messages, for at
 * most `times.sendMs`.
 */
export async function pollWhenDue(engine: Engine, connector: Connector): Promise<void> {
  const { poll } = connector;
  if (!poll || !isPollable(engine, connector) || !(await isDue(engine, connectorId(connector)))) return;
  const until = engine.clock.now() + engine.times.sendMs;
  try {
    while ((await pollOnce(engine, connector, poll)) && engine.clock.now() < until);
  } catch (error) {
    logFailure(engine, connector, errorName(error));
  }
}

/**
 * Puts one batch of a target's messages in the inbox, then acknowledges it at the target. After a crash between the
 * two, the same messages are received again with the same ids.
 *
 * @returns true if the target has more messages
 */
async function pollOnce(engine: Engine, connector: Connector, poll: NonNullable<Connector["poll"]>): Promise<boolean> {
  const id = connectorId(connector);
  const late: NotPolled = { reason: `no answer within ${engine.times.sendMs} ms` };
  const polled = await withinDeadline<Polled | NotPolled>(engine, late, async (signal) => {
    // Polling has its own state key: the state of `send` may be changed by another process at any time.
    const context = await contextOf(engine, connector, signal, `${id}/polled`);
    return context.ok ? poll(context.value) : { reason: context.reason };
  });
  if ("reason" in polled) {
    if (polled.auth) await engine.secrets.refresh(id);
    logFailure(engine, connector, polled.reason);
    return false;
  }
  // The bus does not preserve order, so events are numbered: of two changes to one record, the later one must win.
  const arrivals = await engine.queue.stamp(polled.messages.length);
  const events = polled.messages.map((message, i) => ({
    ...inboundEvent(connector.name, message),
    sequence: arrivals[i]?.stamp,
  }));
  await enqueueEvents(engine.queue, events);
  await polled.taken();
  if (events.length > 0) engine.log({ step: "polled", connector: id, events: events.length });
  return polled.more ?? false;
}

function logFailure(engine: Engine, connector: Connector, why: string): void {
  engine.log({ step: "poll-failed", connector: connectorId(connector), why });
}

/** Returns false for an unconfigured connector but true for an invalid configuration, so that the failure is logged. */
function isPollable(engine: Engine, connector: Connector): boolean {
  const config = configOf(engine, connector);
  if (!config.success) return engine.configOf(connectorId(connector)) !== undefined;
  return connector.polls?.(config.data) ?? true;
}

/** Claims the next poll for this process if it is due, so that two processes do not poll at the same time. */
async function isDue(engine: Engine, id: string): Promise<boolean> {
  let due = false;
  await changeHealth(engine, id, (health, now) => {
    // Half a tick early counts as due, because the next tick would miss the time by more.
    due =
      stopReason(health) === undefined &&
      isPast(health.polledAt ?? 0, now, engine.times.pollMs - engine.times.tickMs / 2);
    return due ? { ...health, polledAt: now } : health;
  });
  return due;
}
