import { Stack } from "aws-cdk-lib";
import { type HttpApi, HttpMethod } from "aws-cdk-lib/aws-apigatewayv2";
import { HttpIamAuthorizer } from "aws-cdk-lib/aws-apigatewayv2-authorizers";
import { HttpLambdaIntegration } from "aws-cdk-lib/aws-apigatewayv2-integrations";
import { ManagedPolicy, PolicyStatement } from "aws-cdk-lib/aws-iam";
import { Construct } from "constructs";
import { parameterOf } from "../platform/aws/names.ts";
import type { PlainFunction, Shared } from "./function.ts";
import { httpApi } from "./http-api.ts";

/** Maximum requests per second and burst size, for all operators together. */
const rateLimit = 50;
const burstLimit = 100;

export interface OpsApiProps {
  readonly shared: Shared;
  readonly handler: PlainFunction;
}

/**
 * HTTP API for operators. Every route has the IAM authorizer. Two managed policies grant access and are meant to be
 * attached to the operators' roles.
 *
 * The access log contains caller, route and status, but no query and no body.
 */
export class OpsApi extends Construct {
  readonly url: string;

  constructor(scope: Construct, id: string, { shared, handler }: OpsApiProps) {
    super(scope, id);
    const { deployment } = shared;
    const { api, url } = httpApi(this, {
      shared,
      name: "ops",
      description: "operator API",
      authorizer: new HttpIamAuthorizer(),
      throttle: { rateLimit, burstLimit },
      caller: { caller: "$context.identity.userArn", why: "$context.authorizer.error" },
    });
    const integration = new HttpLambdaIntegration("Ops", handler.function);
    for (const path of ["/api/{proxy+}", "/openapi.json"]) {
      api.addRoutes({
        path,
        methods: path.endsWith(".json") ? [HttpMethod.GET] : [HttpMethod.GET, HttpMethod.POST],
        integration,
      });
    }
    this.url = url;
    const policy = (id: string, description: string, calls: readonly string[]) =>
      new ManagedPolicy(this, id, {
        managedPolicyName: `${deployment}-${id.toLowerCase()}`,
        description,
        statements: [
          new PolicyStatement({ actions: ["execute-api:Invoke"], resources: calls.map((call) => callArn(api, call)) }),
          new PolicyStatement({ actions: ["ssm:GetParameter"], resources: [this.#urlParameter(deployment)] }),
        ],
      });
    policy("Operator", "May look at everything, and do everything an operator does.", ["GET/*", "POST/*"]);
    policy("Viewer", "May look at everything and try sheets, and changes nothing.", ["GET/*", "POST/api/sheets/*"]);
  }

  #urlParameter(deployment: string): string {
    const resourceName = parameterOf(deployment, "ops-url").slice(1);
    return Stack.of(this).formatArn({ service: "ssm", resource: "parameter", resourceName });
  }
}

/** @param call `GET/api/packets` */
function callArn(api: HttpApi, call: string): string {
  const resourceName = `$default/${call}`;
  return Stack.of(api).formatArn({ service: "execute-api", resource: api.apiId, resourceName });
}
