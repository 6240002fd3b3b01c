import { RemovalPolicy } from "aws-cdk-lib";
import { AccessLogFormat } from "aws-cdk-lib/aws-apigateway";
import { HttpApi, type IHttpRouteAuthorizer, LogGroupLogDestination } from "aws-cdk-lib/aws-apigatewayv2";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";
import type { Common } from "./function.ts";

export interface HttpApiPlan {
  readonly shared: Common;
  /** Name without the deployment's name, which is its prefix. */
  readonly name: string;
  readonly description: string;
  /** Authorizer of all routes. If omitted, the function behind the API must authenticate callers. */
  readonly authorizer?: IHttpRouteAuthorizer;
  /** Maximum requests per second and burst size, for all callers together. */
  readonly throttle: { readonly rateLimit: number; readonly burstLimit: number };
  /** Fields of the access log that identify the caller: a name and a variable such as `$context.identity.sourceIp`. */
  readonly caller: Readonly<Record<string, string>>;
}

/** Creates an HTTP API with throttling and an access log, which contains no path, query or body. */
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
  const fields = {
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
      format: AccessLogFormat.custom(JSON.stringify(fields)),
    },
  });
  return { api, url };
}
