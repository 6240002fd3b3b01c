import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from "aws-lambda";
import { handle } from "hono/aws-lambda";
import type { InboundContext } from "../bridge/inbound/receive-webhook.ts";
import { errorName } from "../bridge/observability/log.ts";
import { inboundRoutes } from "../ops/inbound-routes.ts";

/**
 * The door for what outside systems say, behind an HTTP API.
 *
 * @throws where a message could not be stored: the gateway answers 500, the sender tries again, and an alarm rings
 */
export function inboundHandler(means: InboundContext) {
  const app = inboundRoutes(means);
  app.onError((error) => {
    // Without the error itself: its words could hold a value, and Lambda logs what is thrown.
    throw new Error(`a message could not be stored: ${errorName(error)}`);
  });
  const answer = handle(app);
  return (event: unknown, context: Context): Promise<APIGatewayProxyStructuredResultV2> =>
    answer(event as APIGatewayProxyEventV2 as never, context as never) as Promise<APIGatewayProxyStructuredResultV2>;
}
