import { deliver } from "../bridge/delivery/deliver.ts";
import { createRateLimiter } from "../bridge/delivery/rate-limiter.ts";
import type { Engine } from "../bridge/engine.ts";
import { type Connector, connectorId } from "../bridge/model/connector.ts";
import { shareOf } from "./concurrency.ts";
import { type BatchHandler, messagesIn, settleBatch } from "./sqs-batch.ts";

/** Minimum time between the start of the last send and the function's timeout: 5 s to send, the rest to settle. */
export const endMarginMs = 8_000;

/** Creates the SQS handler that delivers the packets of one connector. */
export function connectorHandler(engine: Engine, connector: Connector): BatchHandler {
  const worker = {
    connector,
    owner: engine.random.id(),
    acquire: createRateLimiter(engine.clock, shareOf(connector.rate).rate),
  };
  return async (event, context) => {
    const messages = messagesIn(event);
    const lastStart = engine.clock.now() + context.getRemainingTimeInMillis() - endMarginMs;
    const dispositions = await deliver(engine, { ...worker, lastStart }, messages);
    return settleBatch(engine, `lane:${connectorId(connector)}`, messages, dispositions);
  };
}
