import { changeHealth } from "../delivery/circuit-breaker.ts";
import { configOf, contextOf } from "../delivery/connector-context.ts";
import { withinDeadline } from "../delivery/deadline.ts";
import type { Engine } from "../engine.ts";
import { type Connector, connectorId, type NotPolled, type Polled } from "../model/connector.ts";
import { errorName } from "../observability/log.ts";
import { enqueueEvents } from "../recording/enqueue.ts";
import { inboundEvent } from "./receive-webhook.ts";

/**
 * Asks a target that calls no door what is new, when it is time, and for as long as one call may take where it has more.
 */
export async function pollWhenDue(engine: Engine, connector: Connector): Promise<void> {
  const { poll } = connector;
  if (!poll || !isToBeAsked(engine, connector) || !(await isDue(engine, connectorId(connector)))) return;
  const until = engine.clock.now() + engine.times.sendMs;
  try {
    while ((await pollOnce(engine, connector, poll)) && engine.clock.now() < until);
  } catch (error) {
    logFailure(engine, connector, errorName(error));
  }
}

/**
 * What a target says is in the inbox before the target is told that it was taken: a crash between the two brings it
 * again, under the same ids.
 *
 * @returns whether there is more
 */
async function pollOnce(engine: Engine, connector: Connector, poll: NonNullable<Connector["poll"]>): Promise<boolean> {
  const id = connectorId(connector);
  const late: NotPolled = { fault: `no answer within ${engine.times.sendMs} ms` };
  const polled = await withinDeadline<Polled | NotPolled>(engine, late, async (signal) => {
    // What `send` remembers may be changed by another process at any time; this is changed by whoever polls, alone.
    const context = await contextOf(engine, connector, signal, `${id}/polled`);
    return context.ok ? poll(context.value) : { fault: context.reason };
  });
  if ("fault" in polled) {
    if (polled.auth) await engine.secrets.refresh(id);
    logFailure(engine, connector, polled.fault);
    return false;
  }
  // Numbered in their order: of two about one record, on their way by a bus that keeps none, the later must win.
  const events = polled.messages.map((message) => ({
    ...inboundEvent(connector.name, message),
    sequence: engine.clock.stamp(),
  }));
  await enqueueEvents(engine.queue, events);
  await polled.taken();
  if (events.length > 0) engine.log({ step: "polled", connector: id, events: events.length });
  return polled.more ?? false;
}

function logFailure(engine: Engine, connector: Connector, why: string): void {
  engine.log({ step: "poll-failed", connector: connectorId(connector), why });
}

/** One that nobody has configured is not asked; one whose configuration is wrong is, so that it is told. */
function isToBeAsked(engine: Engine, connector: Connector): boolean {
  const config = configOf(engine, connector);
  if (!config.success) return engine.configOf(connectorId(connector)) !== undefined;
  return connector.polls?.(config.data) ?? true;
}

/** Whether it is this process's turn: two that look at once do not both ask. */
async function isDue(engine: Engine, id: string): Promise<boolean> {
  let due = false;
  await changeHealth(engine, id, (health, now) => {
    // Half a tick early is on time: the next tick would be late by more.
    const at = (health.polledAt ?? 0) + engine.times.pollMs - engine.times.tickMs / 2;
    due = !health.paused && now >= at;
    return due ? { ...health, polledAt: now } : health;
  });
  return due;
}
