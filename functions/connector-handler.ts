import { deliver } from "../bridge/delivery/deliver.ts";
import { createRateLimiter } from "../bridge/delivery/rate-limiter.ts";
import type { Engine } from "../bridge/engine.ts";
import { type Connector, connectorId } from "../bridge/model/connector.ts";
import { shareOf } from "./concurrency.ts";
import { answer, type BatchHandler, messagesIn } from "./sqs-batch.ts";

/** A send and what is written after it must be over before the function is: 5 s for the send, the rest to settle. */
export const endMarginMs = 8_000;

/** Messages of one connector's lanes in, packets delivered, put off, parked or held. */
export function connectorHandler(engine: Engine, connector: Connector): BatchHandler {
  const carrier = {
    connector,
    owner: engine.random.id(),
    acquire: createRateLimiter(engine.clock, shareOf(connector.rate).rate),
  };
  return async (event, context) => {
    const messages = messagesIn(event);
    const lastStart = engine.clock.now() + context.getRemainingTimeInMillis() - endMarginMs;
    const reports = await deliver(engine, { ...carrier, lastStart }, messages);
    return answer(engine, `lane:${connectorId(connector)}`, messages, reports);
  };
}
