import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from "aws-lambda";
import { handle } from "hono/aws-lambda";
import type { InboundContext } from "../bridge/inbound/receive-webhook.ts";
import { errorName } from "../bridge/observability/log.ts";
import { inboundRoutes } from "../ops/inbound-routes.ts";

/**
 * Creates the HTTP API handler for webhooks from outside systems.
 *
 * @throws {Error} if a message could not be stored; the gateway answers 500, the sender retries, and an alarm fires
 */
export function inboundHandler(inbound: InboundContext) {
  const app = inboundRoutes(inbound);
  app.onError((error) => {
    // Omits the cause, because its message could contain a value and Lambda logs every error thrown.
    throw new Error(`a message could not be stored: ${errorName(error)}`);
  });
  const answer = handle(app);
  return (event: unknown, context: Context): Promise<APIGatewayProxyStructuredResultV2> =>
    answer(event as APIGatewayProxyEventV2 as never, context as never) as Promise<APIGatewayProxyStructuredResultV2>;
}
