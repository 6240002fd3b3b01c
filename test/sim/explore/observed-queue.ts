import { setImmediate as nextImmediate } from "node:timers/promises";
import type { Engine } from "../../../bridge/engine.ts";
import type { Clock } from "../../../bridge/ports/clock.ts";
import type { MessageDisposition } from "../../../bridge/ports/message-result.ts";
import type { QueueName, QueuePort } from "../../../bridge/ports/queue.ts";
import type { Database } from "../../../platform/local/database.ts";
import { LocalQueue } from "../../../platform/local/queue.ts";

/** A received message: the receive that holds it, and the time by `Clock.elapsed` until which it is invisible. */
export interface Invisible {
  readonly receive: string;
  readonly until: number;
}

/** A queue port that records the part of its state that only the queue's memory holds. */
export interface ObservedQueue {
  readonly port: QueuePort;
  /**
   * Received messages by queue and sequence number. The order is that of the last changes, because it decides the order
   * of redelivery.
   */
  readonly invisible: Map<string, Invisible>;
}

export function observeQueue(queue: LocalQueue, clock: Clock): ObservedQueue {
  const invisible = new Map<string, Invisible>();
  const keyOf = (name: QueueName, receipt: string) => `${name} ${receipt.split(".")[0]}`;
  const set = (name: QueueName, receipt: string, until: number) => {
    invisible.delete(keyOf(name, receipt));
    invisible.set(keyOf(name, receipt), { receive: receipt.split(".")[1] as string, until });
  };
  const holds = (name: QueueName, receipt: string) => {
    const known = invisible.get(keyOf(name, receipt));
    return known !== undefined && known.receive === receipt.split(".")[1] && known.until > clock.elapsed();
  };
  const own: Partial<QueuePort> = {
    async receive(name, options) {
      const messages = await queue.receive(name, options);
      for (const { receipt } of messages) set(name, receipt, clock.elapsed() + options.visibilityMs);
      return messages;
    },
    async delay(name, delays) {
      for (const { receipt, ms } of delays) if (holds(name, receipt)) set(name, receipt, clock.elapsed() + ms);
      await queue.delay(name, delays);
    },
    async remove(name, receipts) {
      for (const receipt of receipts.filter((one) => holds(name, one))) invisible.delete(keyOf(name, receipt));
      await queue.remove(name, receipts);
    },
    // The outbox of a kind has one message, which the first batch of a move moves. The move then ends at once, and not
    // after a wait that a restored queue would not know of.
    async startMove(from, perSecond) {
      await queue.startMove(from, perSecond);
      for (let turn = 0; turn < 4; turn++) await nextImmediate();
      await queue.stopMove(from);
    },
  };
  const port = new Proxy(queue as QueuePort, {
    get(target, key) {
      const member = Reflect.get(own, key) ?? Reflect.get(target, key, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  return { port, invisible };
}

/**
 * Opens the queue of a store whose rows were just replaced, with the given messages in flight or delayed.
 *
 * Each message is received once and then delayed until the time it had. The number of its receives is lowered first, so
 * that this receive leaves it as it was.
 */
export async function reopenQueue(
  db: Database,
  clock: Clock,
  invisible: readonly (readonly [string, Invisible])[],
): Promise<ObservedQueue> {
  db.sql("UPDATE messages SET receives = receives - 1").run();
  const queue = new LocalQueue(db, clock);
  const observed = observeQueue(queue, clock);
  const names = db.sql("SELECT DISTINCT queue FROM messages").all();
  const known = new Map(invisible);
  const untilOf = (key: string) => known.get(key)?.until ?? 0;
  for (const { queue: name } of names as { queue: QueueName }[]) {
    const receipts = new Map<string, string>();
    for (;;) {
      const messages = await queue.receive(name, { max: 10, visibilityMs: 1e9, waitMs: 0 });
      if (messages.length === 0) break;
      for (const { receipt } of messages) receipts.set(`${name} ${receipt.split(".")[0]}`, receipt);
    }
    // First those that were received before, in the order in which they return.
    const order = [...known.keys(), ...receipts.keys()].filter((key, i, all) => all.indexOf(key) === i);
    const delays = order.flatMap((key) => {
      const receipt = receipts.get(key);
      return receipt === undefined ? [] : [{ receipt, ms: Math.max(0, untilOf(key) - clock.elapsed()) }];
    });
    await queue.delay(name, delays);
  }
  // The receives are written without being awaited.
  await nextImmediate();
  await nextImmediate();
  for (const [key, value] of invisible) observed.invisible.set(key, value);
  return observed;
}

/** Applies the dispositions of a batch, as a worker loop does. */
export async function acknowledge(
  { queue }: Engine,
  name: QueueName,
  dispositions: readonly MessageDisposition[],
): Promise<void> {
  const done = dispositions.flatMap((one) => (one.kind === "ack" ? [one.receipt] : []));
  const delayed = dispositions.flatMap((one) => (one.kind === "delay" ? [one] : []));
  if (done.length > 0) await queue.remove(name, done);
  if (delayed.length > 0) await queue.delay(name, delayed);
}
