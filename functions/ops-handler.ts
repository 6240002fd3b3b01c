import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context as LambdaContext } from "aws-lambda";
import type { Context } from "hono";
import { handle } from "hono/aws-lambda";
import * as z from "zod";
import { createOpsApp } from "../ops/app.ts";
import type { OpsContext } from "../ops/endpoint.ts";
import { ApiProblem } from "../ops/problem.ts";

/**
 * The caller's ARN in the event, which the gateway has verified by the request's signature.
 *
 * Source: Amazon API Gateway, "Control access to HTTP APIs with IAM authorization", payload format 2.0.
 */
const signedSchema = z.object({
  requestContext: z.object({ authorizer: z.object({ iam: z.object({ userArn: z.string().startsWith("arn:") }) }) }),
});

/** Creates the operator API's handler for an HTTP API with an IAM authorizer. The ledger records the caller's ARN. */
export function opsHandler(ops: OpsContext) {
  const callerOf = ({ env }: Context): string | undefined => {
    const signed = signedSchema.safeParse((env as { event?: unknown }).event);
    return signed.data?.requestContext.authorizer.iam.userArn;
  };
  const app = createOpsApp(ops, {
    // The gateway already rejects unsigned requests. This check protects a route deployed without its authorizer.
    async guard(context, next) {
      if (callerOf(context) !== undefined) return next();
      return new ApiProblem("no-token", "Sign the request with AWS Signature Version 4.").response();
    },
    actorOf: (context) => callerOf(context) ?? "nobody",
  });
  const answer = handle(app);
  return (event: unknown, context: LambdaContext): Promise<APIGatewayProxyStructuredResultV2> =>
    answer(event as APIGatewayProxyEventV2 as never, context as never) as Promise<APIGatewayProxyStructuredResultV2>;
}
