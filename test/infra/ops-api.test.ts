import { beforeAll, describe, expect, it } from "vitest";
import { endpoints } from "../../ops/app.ts";
import { regions, type Synthesized, statementsOf, templatesFor, text } from "./templates.ts";

describe.each(regions)("operator API in %s", { timeout: 120_000 }, (region) => {
  let templates: Synthesized;
  beforeAll(async () => {
    templates = await templatesFor(region);
  }, 120_000);

  const ofApi = (type: string) =>
    templates
      .of(type)
      .filter(({ Properties }) => text(Properties.ApiId ?? Properties.Name).match(/OpsApi|hms-bridge-ops/));

  it("every route has the IAM authorizer", () => {
    const routes = ofApi("AWS::ApiGatewayV2::Route");

    expect(routes.map(({ Properties }) => Properties.RouteKey).sort()).toEqual([
      "GET /api/{proxy+}",
      "GET /openapi.json",
      "POST /api/{proxy+}",
    ]);
    for (const { Properties } of routes) expect(Properties.AuthorizationType).toBe("AWS_IAM");
  });

  it("has a route for every operation", () => {
    for (const { method, path } of endpoints) {
      expect(["get", "post"]).toContain(method);
      expect(path).toMatch(/^\/api\//);
    }
  });

  it("allows no CORS and limits the request rate", () => {
    const [api] = ofApi("AWS::ApiGatewayV2::Api");
    const [stage] = ofApi("AWS::ApiGatewayV2::Stage");

    expect(api?.Properties).toMatchObject({ ProtocolType: "HTTP" });
    expect(api?.Properties).not.toHaveProperty("CorsConfiguration");
    expect(stage?.Properties.DefaultRouteSettings).toEqual({ ThrottlingBurstLimit: 100, ThrottlingRateLimit: 50 });
  });

  it("logs caller and route, but no query or body", () => {
    const [stage] = ofApi("AWS::ApiGatewayV2::Stage");
    const { Format } = stage?.Properties.AccessLogSettings ?? {};

    expect(Object.keys(JSON.parse(Format))).toEqual(["time", "caller", "why", "route", "status", "request", "ms"]);
    expect(Format).toContain("$context.identity.userArn");
    expect(Format).not.toMatch(/path|query|body/i);
    expect(text(stage?.Properties.AccessLogSettings.DestinationArn)).toContain("AccessLog");
  });

  it("two managed policies grant all calls or read-only calls", () => {
    const policies = templates.of("AWS::IAM::ManagedPolicy").filter(({ Properties }) => Properties.ManagedPolicyName);
    const callsOf = (name: string) => {
      const policy = policies.find(({ Properties }) => Properties.ManagedPolicyName === `hms-bridge-${name}`);
      const [invoke, parameter] = policy ? statementsOf(policy) : [];
      expect(invoke?.Action).toBe("execute-api:Invoke");
      expect(parameter?.Action).toBe("ssm:GetParameter");
      expect(text(parameter?.Resource)).toContain("parameter/hms-bridge/ops-url");
      return [invoke?.Resource].flat().map((arn) => /\/\$default\/([^"]+)"/.exec(text(arn))?.[1]);
    };

    expect(policies).toHaveLength(2);
    expect(callsOf("operator")).toEqual(["GET/*", "POST/*"]);
    expect(callsOf("viewer")).toEqual(["GET/*", "POST/api/sheets/*"]);
    for (const { Properties } of policies)
      expect(Properties.Roles ?? Properties.Users ?? Properties.Groups).toBeUndefined();
  });

  it("publishes its URL in Parameter Store for the command line", () => {
    const parameters = templates.of("AWS::SSM::Parameter").map(({ Properties }) => Properties.Name);

    expect(parameters).toContain("/hms-bridge/ops-url");
  });

  it("the POST requests that a viewer may send change nothing", () => {
    const changing = endpoints.filter(({ method, path }) => method === "post" && !path.startsWith("/api/sheets/"));
    const readOnly = endpoints.filter(({ method, path }) => method === "post" && path.startsWith("/api/sheets/"));

    expect(changing.length).toBeGreaterThan(10);
    expect(readOnly.map(({ id }) => id)).toEqual(["checkSheet", "trySheet"]);
  });
});
