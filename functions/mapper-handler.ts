import type { Engine } from "../bridge/engine.ts";
import { accept } from "../bridge/intake/accept.ts";
import { delay } from "../bridge/ports/message-result.ts";
import { type BatchHandler, messagesIn, settleBatch } from "./sqs-batch.ts";

/** Creates the inbox handler, which accepts events, records their packets and enqueues them on their lanes. */
export function mapperHandler(engine: Engine): BatchHandler {
  const { backoffMs } = engine.times;
  return async (event) => {
    const messages = messagesIn(event);
    const receives = new Map(messages.map(({ receipt, receiveCount }) => [receipt, receiveCount]));
    const dispositions = (await accept(engine, messages)).map((disposition) => {
      if (disposition.kind === "ack") return disposition;
      // Backs off, so that a store outage of a few minutes does not move events to the dead-letter queue.
      const step = Math.min(receives.get(disposition.receipt) ?? 1, backoffMs.length) - 1;
      return delay(disposition.receipt, Math.max(disposition.ms, backoffMs[step] as number));
    });
    return settleBatch(engine, "inbox", messages, dispositions);
  };
}
