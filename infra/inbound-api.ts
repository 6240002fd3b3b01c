import { HttpMethod } from "aws-cdk-lib/aws-apigatewayv2";
import { HttpLambdaIntegration } from "aws-cdk-lib/aws-apigatewayv2-integrations";
import { Construct } from "constructs";
import type { PlainFunction, Shared } from "./function.ts";
import { httpApi } from "./http-api.ts";

/** Maximum requests per second and burst size, for all outside systems together. A system that gets 429 retries. */
const rateLimit = 50;
const burstLimit = 100;

/**
 * Webhook endpoint for outside systems. It has one route and no authorizer, because outside systems have no AWS
 * credentials. Each message must be signed with its connector's key; the function verifies the signature first.
 *
 * The access log contains the caller's address and the status, but no part of the message.
 */
export class InboundApi extends Construct {
  /** Base URL, with a trailing slash. A connector's endpoint is `inbound/<connector>` below it. */
  readonly url: string;

  constructor(scope: Construct, id: string, { shared, handler }: { shared: Shared; handler: PlainFunction }) {
    super(scope, id);
    const { api, url } = httpApi(this, {
      shared,
      name: "inbound",
      description: "webhooks from outside systems",
      throttle: { rateLimit, burstLimit },
      caller: { from: "$context.identity.sourceIp", why: "$context.error.message" },
    });
    const integration = new HttpLambdaIntegration("Door", handler.function);
    api.addRoutes({ path: "/inbound/{connector}", methods: [HttpMethod.POST], integration });
    this.url = url;
  }
}
