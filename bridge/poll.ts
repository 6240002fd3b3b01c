import { contextOf, withinDeadline } from "./call.ts";
import { type Connector, connectorId, type Polled } from "./connector.ts";
import { changeHealth } from "./health.ts";
import { inboundEvent } from "./inbound.ts";
import { errorName } from "./log.ts";
import type { Engine } from "./ports.ts";
import { putInInbox } from "./queueing.ts";

/**
 * Asks a target that calls no door what is new, when it is time. What it says is in the inbox before the target is told
 * that it was taken: a crash between the two brings it again, under the same ids.
 */
export async function pollWhenDue(engine: Engine, connector: Connector): Promise<void> {
  const { poll } = connector;
  if (!poll || !(await isDue(engine, connectorId(connector)))) return;
  const fail = (why: string) => engine.log({ step: "poll-failed", connector: connectorId(connector), why });
  try {
    const polled = await withinDeadline<Polled | undefined>(engine, undefined, async (signal) => {
      const context = await contextOf(engine, connector, signal);
      return context.ok ? poll(context.value) : undefined;
    });
    if (!polled) return fail("no answer, or not set up");
    const events = polled.messages.map((message) => inboundEvent(connector.name, message));
    await putInInbox(engine.queue, events);
    await polled.taken();
    if (events.length > 0) engine.log({ step: "polled", connector: connectorId(connector), events: events.length });
  } catch (error) {
    fail(errorName(error));
  }
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
