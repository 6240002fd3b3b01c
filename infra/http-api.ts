import { RemovalPolicy } from "aws-cdk-lib";
import { AccessLogFormat } from "aws-cdk-lib/aws-apigateway";
import { HttpApi, type IHttpRouteAuthorizer, LogGroupLogDestination } from "aws-cdk-lib/aws-apigatewayv2";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";
import type { Common } from "./function.ts";

export interface HttpApiPlan {
  readonly shared: Common;
  /** Below the deployment's name. */
  readonly name: string;
  readonly description: string;
  /** Authorizer of the API. Absent: the function behind the API checks the caller. */
  readonly authorizer?: IHttpRouteAuthorizer;
  /** Calls a second, and at once, of all callers together. */
  readonly throttle: { readonly rateLimit: number; readonly burstLimit: number };
  /** Fields of the access log about the caller, by name: `$context.identity.sourceIp`. Time, route and status are always logged. */
  readonly caller: Readonly<Record<string, string>>;
}

/** An HTTP API that throttles, and keeps a log of who called what and what became of it: no path, no query, no body. */
export function httpApi(scope: Construct, plan: HttpApiPlan): { readonly api: HttpApi; readonly url: string } {
  const { shared, name, description, authorizer, throttle, caller } = plan;
  const api = new HttpApi(scope, "Api", {
    apiName: `${shared.deployment}-${name}`,
    description: `HMS Sync Bridge: ${description}`,
    ...(authorizer && { defaultAuthorizer: authorizer }),
    createDefaultStage: false,
  });
  const log = new LogGroup(scope, "AccessLog", {
    logGroupName: `/aws/lambda/${shared.deployment}-${name}-access`,
    encryptionKey: shared.key,
    retention: shared.logRetentionDays,
    removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
  });
  const said = {
    time: "$context.requestTime",
    ...caller,
    route: "$context.routeKey",
    status: "$context.status",
    request: "$context.requestId",
    ms: "$context.responseLatency",
  };
  const { url } = api.addStage("Stage", {
    stageName: "$default",
    autoDeploy: true,
    throttle,
    accessLogSettings: {
      destination: new LogGroupLogDestination(log),
      format: AccessLogFormat.custom(JSON.stringify(said)),
    },
  });
  return { api, url };
}
