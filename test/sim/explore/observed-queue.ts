import type { Engine } from "../../../bridge/engine.ts";
import type { MessageDisposition } from "../../../bridge/ports/message-result.ts";
import type { QueueName, QueuePort } from "../../../bridge/ports/queue.ts";

/** A queue port that records the part of its state that only the queue's memory holds. */
export interface ObservedQueue {
  readonly port: QueuePort;
  /**
   * Messages in flight or delayed, by queue and sequence number, with the receive that holds each and the time until
   * which it is invisible. The order is that of the last changes, because it decides the order of redelivery.
   */
  readonly invisible: ReadonlyMap<string, { readonly receive: string; readonly until: number }>;
}

/** @param elapsed returns the time by which the queue hides messages, in ms */
export function observeQueue(queue: QueuePort, elapsed: () => number): ObservedQueue {
  const invisible = new Map<string, { readonly receive: string; readonly until: number }>();
  const set = (name: QueueName, receipt: string, until: number) => {
    const [seq, receive = ""] = receipt.split(".");
    const key = `${name} ${seq}`;
    invisible.delete(key);
    invisible.set(key, { receive, until });
  };
  const holds = (name: QueueName, receipt: string) => {
    const [seq, receive] = receipt.split(".");
    const known = invisible.get(`${name} ${seq}`);
    return known !== undefined && known.receive === receive && known.until > elapsed();
  };
  const own: Partial<QueuePort> = {
    async receive(name, options) {
      const messages = await queue.receive(name, options);
      for (const { receipt } of messages) set(name, receipt, elapsed() + options.visibilityMs);
      return messages;
    },
    async delay(name, delays) {
      for (const { receipt, ms } of delays) if (holds(name, receipt)) set(name, receipt, elapsed() + ms);
      await queue.delay(name, delays);
    },
    async remove(name, receipts) {
      for (const receipt of receipts.filter((one) => holds(name, one))) {
        invisible.delete(`${name} ${receipt.split(".")[0]}`);
      }
      await queue.remove(name, receipts);
    },
  };
  const port = new Proxy(queue, {
    get(target, key) {
      const member = Reflect.get(own, key) ?? Reflect.get(target, key, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  return { port, invisible };
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
