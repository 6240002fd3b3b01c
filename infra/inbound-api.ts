import { HttpMethod } from "aws-cdk-lib/aws-apigatewayv2";
import { HttpLambdaIntegration } from "aws-cdk-lib/aws-apigatewayv2-integrations";
import { Construct } from "constructs";
import type { PlainFunction, Shared } from "./function.ts";
import { httpApi } from "./http-api.ts";

/** Rate and burst limits for all outside systems together. A system that gets 429 tries again later. */
const rateLimit = 50;
const burstLimit = 100;

/**
 * The endpoint for outside systems: one route, open to anyone. It needs no AWS credentials, because outside systems
 * have none; each message must be signed by a key of its connector's, and the function looks at that before all else.
 *
 * The access log has the calling system and the status, and no message.
 */
export class InboundApi extends Construct {
  /** Ends with a slash; a connector's door is below it: `inbound/PayrollConnector`. */
  readonly url: string;

  constructor(scope: Construct, id: string, { shared, handler }: { shared: Shared; handler: PlainFunction }) {
    super(scope, id);
    const { api, url } = httpApi(this, {
      shared,
      name: "inbound",
      description: "what outside systems say",
      throttle: { rateLimit, burstLimit },
      caller: { from: "$context.identity.sourceIp", why: "$context.error.message" },
    });
    const integration = new HttpLambdaIntegration("Door", handler.function);
    api.addRoutes({ path: "/inbound/{connector}", methods: [HttpMethod.POST], integration });
    this.url = url;
  }
}
