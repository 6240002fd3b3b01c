import { HttpMethod } from "aws-cdk-lib/aws-apigatewayv2";
import { HttpLambdaIntegration } from "aws-cdk-lib/aws-apigatewayv2-integrations";
import { Construct } from "constructs";
import type { PlainFunction, Shared } from "./function.ts";
import { httpApi } from "./http-api.ts";

/** Messages a second, and at once, of all outside systems together. Who is told 429 tries again later. */
const rateLimit = 50;
const burstLimit = 100;

/**
 * The door for what outside systems say: one route, to anybody. No credentials of AWS open it, because outside systems
 * have none; each message must be signed by a key of its connector's, and the function looks at that before all else.
 *
 * Which system called, and what it was answered, stands in the access log; no message does.
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
