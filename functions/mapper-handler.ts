import type { Engine } from "../bridge/engine.ts";
import { accept } from "../bridge/intake/accept.ts";
import { type BatchHandler, messagesIn, settleBatch } from "./sqs-batch.ts";

/** Creates the inbox handler, which accepts events, records their packets and enqueues them on their lanes. */
export function mapperHandler(engine: Engine): BatchHandler {
  return async (event) => {
    const messages = messagesIn(event);
    return settleBatch(engine, "inbox", messages, await accept(engine, messages));
  };
}
