import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context as LambdaContext } from "aws-lambda";
import type { Context } from "hono";
import { handle } from "hono/aws-lambda";
import * as z from "zod";
import { createOpsApp } from "../ops/app.ts";
import type { OpsContext } from "../ops/endpoint.ts";
import { ApiProblem } from "../ops/problem.ts";

/**
 * Who called, as the gateway has proved by the request's signature.
 *
 * Source: Amazon API Gateway, "Control access to HTTP APIs with IAM authorization", payload format 2.0.
 */
const signedSchema = z.object({
  requestContext: z.object({ authorizer: z.object({ iam: z.object({ userArn: z.string().startsWith("arn:") }) }) }),
});

/** The operator's API behind an HTTP API with the IAM authorizer: the caller's ARN is who does it. */
export function opsHandler(ops: OpsContext) {
  const callerOf = ({ env }: Context): string | undefined => {
    const signed = signedSchema.safeParse((env as { event?: unknown }).event);
    return signed.data?.requestContext.authorizer.iam.userArn;
  };
  const app = createOpsApp(ops, {
    // The gateway refuses who has not signed. Should a route be made without that, nothing is answered all the same.
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
