import { beforeAll, describe, expect, it } from "vitest";
import { type Resource, regions, type Synthesized, statementsOf, templatesFor, text } from "./templates.ts";

describe.each(regions)("webhook endpoint in %s", { timeout: 120_000 }, (region) => {
  let templates: Synthesized;
  beforeAll(async () => {
    templates = await templatesFor(region);
  }, 120_000);

  const idOf = () =>
    [...templates.resources]
      .find(([, { Type, Properties }]) => {
        return Type === "AWS::ApiGatewayV2::Api" && Properties.Name === "hms-bridge-inbound";
      })?.[0]
      .split("/")[1] as string;
  const ofApi = (type: string): Resource[] =>
    templates.of(type).filter(({ Properties }) => text(Properties.ApiId).includes(`"${idOf()}"`));
  const receiver = () =>
    templates.of("AWS::Lambda::Function").find(({ Properties }) => Properties.FunctionName === "hms-bridge-inbound");

  it("has a single route, without an authorizer", () => {
    const routes = ofApi("AWS::ApiGatewayV2::Route").map(({ Properties }) => Properties);

    expect(routes).toEqual([
      expect.objectContaining({ RouteKey: "POST /inbound/{connector}", AuthorizationType: "NONE" }),
    ]);
  });

  it("has its own function, which the gateway may invoke only for that route", () => {
    const [permission, ...more] = templates
      .of("AWS::Lambda::Permission")
      .filter(({ Properties }) => text(Properties.FunctionName).includes("Inbound"));

    expect(more).toEqual([]);
    expect(permission?.Properties.Principal).toBe("apigateway.amazonaws.com");
    expect(text(permission?.Properties.SourceArn)).toContain("/*/*/inbound/{connector}");
    expect(receiver()?.Properties.Description).toBe("functions/inbound.ts");
    expect(Object.keys(receiver()?.Properties.Environment.Variables)).not.toContain("BRIDGE_KEY");
  });

  it("limits the request rate and allows no CORS", () => {
    const [stage] = ofApi("AWS::ApiGatewayV2::Stage");
    const api = templates
      .of("AWS::ApiGatewayV2::Api")
      .find(({ Properties }) => Properties.Name === "hms-bridge-inbound");

    expect(stage?.Properties.DefaultRouteSettings).toEqual({ ThrottlingBurstLimit: 100, ThrottlingRateLimit: 50 });
    expect(api?.Properties).not.toHaveProperty("CorsConfiguration");
  });

  it("logs caller and status, and nothing of a message", () => {
    const [stage] = ofApi("AWS::ApiGatewayV2::Stage");
    const { Format } = stage?.Properties.AccessLogSettings ?? {};

    expect(Object.keys(JSON.parse(Format))).toEqual(["time", "from", "why", "route", "status", "request", "ms"]);
    expect(Format).not.toMatch(/path|query|body|header/i);
  });

  it("may only read signing secrets, look up messages, and send them to the inbox", () => {
    const role = receiver()?.Properties.Role["Fn::GetAtt"][0];
    const statements = templates
      .of("AWS::IAM::Policy")
      .filter(({ Properties }) => text(Properties.Roles).includes(`"${role}"`))
      .flatMap(statementsOf);
    const by = (action: RegExp) => statements.filter(({ Action }) => action.test(text(Action)));

    const secrets = by(/secretsmanager/).flatMap(({ Resource: of }) => [of].flat().map(text));
    expect(secrets).toEqual([
      expect.stringMatching(/:secret:hms-bridge\/\*\/inbound"/),
      expect.stringMatching(/:secret:hms-bridge\/\*\/inbound-\?{6}"/),
    ]);
    expect(by(/dynamodb/).map(({ Action }) => Action)).toEqual(["dynamodb:BatchGetItem"]);
    expect(by(/sqs/)).toEqual([expect.objectContaining({ Action: "sqs:SendMessage" })]);
    expect(text(by(/sqs/)[0]?.Resource)).toContain("hms-bridge-inbox");
    expect(by(/events|lambda|s3|execute-api/)).toEqual([]);
  });

  it("publishes its URL in Parameter Store and as a stack output", () => {
    expect(templates.of("AWS::SSM::Parameter").map(({ Properties }) => Properties.Name)).toContain(
      "/hms-bridge/inbound-url",
    );
    const outputs = templates.texts.flatMap((template) => Object.keys(JSON.parse(template).Outputs ?? {}));
    expect(outputs).toContain("InboundUrl");
  });

  it("only mapper and watchdog may publish events with an HMS source, and only for converted messages", () => {
    const publishing = templates.grants().filter(({ Action }) => text(Action).includes("events:PutEvents"));
    const sources = publishing.map(({ Condition }) => text(Condition));

    expect(sources.filter((source) => source.includes("hms.inbound."))).toEqual(
      Array(2).fill('{"StringLike":{"events:source":["hms-sync-bridge/hms-bridge","hms.inbound.*"]}}'),
    );
    for (const source of sources) {
      expect(source).toMatch(
        /^\{"StringLike":\{"events:source":\["hms-sync-bridge\/hms-bridge"(,"hms\.inbound\.\*")?\]\}\}$/,
      );
    }
    for (const { Resource: bus } of publishing) expect(text(bus)).toMatch(/:event-bus\/hms-bridge"/);
  });
});
