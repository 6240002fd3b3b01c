import { beforeAll, describe, expect, it } from "vitest";
import { connectorId } from "../../bridge/model/connector.ts";
import { listConnectorFiles } from "../../connectors/protocols/load-connectors.ts";
import { deployable } from "../../infra/connector-config.ts";
import { readSettings } from "../../infra/settings.ts";
import { readAppConfigTargets } from "../../platform/aws/appconfig-targets.ts";
import { sheetReaders } from "../../platform/aws/names.ts";
import { type Resource, type Synthesized, synthesize, templatesFor } from "./templates.ts";

const text = (value: unknown): string => JSON.stringify(value);

/** The one resource of a type. */
function only(made: Synthesized, type: string): Resource {
  const [resource, ...more] = made.of(type);
  if (!resource || more.length > 0) throw new Error(`${more.length + 1} of ${type}`);
  return resource;
}

describe("the mappings stack", () => {
  let made: Synthesized;
  /** What every parameter of the deployment is told to hold, by name. */
  let told: Map<string, unknown>;
  beforeAll(async () => {
    made = await templatesFor("us-gov-west-1");
    told = new Map(made.of("AWS::SSM::Parameter").map(({ Properties }) => [Properties.Name, Properties.Value]));
  });

  it("has AppConfig check sheets twice: their shape by draft-4, and what they do by sheet-check", () => {
    const [shape, check, ...more] = only(made, "AWS::AppConfig::ConfigurationProfile").Properties.Validators;

    expect(more).toEqual([]);
    expect(shape.Type).toBe("JSON_SCHEMA");
    expect(JSON.parse(shape.Content).$schema).toBe("http://json-schema.org/draft-04/schema#");
    expect(check.Type).toBe("LAMBDA");
    expect(text(check.Content)).toMatch(/SheetCheck/);
  });

  it("keeps sheets under the bridge's own key", () => {
    const { KmsKeyIdentifier, LocationUri } = only(made, "AWS::AppConfig::ConfigurationProfile").Properties;

    expect(LocationUri).toBe("hosted");
    expect(text(KmsKeyIdentifier)).toMatch(/key/i);
  });

  it("lets AppConfig and nobody else call sheet-check, which may write its log and its trace and nothing more", () => {
    const permissions = made
      .of("AWS::Lambda::Permission")
      .filter(({ Properties }) => text(Properties.FunctionName).includes("SheetCheck"));
    const roles = made
      .of("AWS::IAM::Policy")
      .filter(({ Properties }) => text(Properties.Roles).includes("SheetCheckRole"));

    expect(permissions.map(({ Properties }) => [Properties.Principal, Properties.Action])).toEqual([
      ["appconfig.amazonaws.com", "lambda:InvokeFunction"],
    ]);
    expect(
      roles.flatMap(({ Properties }) => Properties.PolicyDocument.Statement.map((s: { Action: unknown }) => s.Action)),
    ).toEqual([
      ["logs:CreateLogStream", "logs:PutLogEvents"],
      ["xray:PutTelemetryRecords", "xray:PutTraceSegments"],
    ]);
  });

  it("answers in the time AppConfig gives a validator", () => {
    const check = made
      .of("AWS::Lambda::Function")
      .find(({ Properties }) => Properties.Description === "functions/sheet-check.ts");

    expect(check?.Properties.Timeout).toBeLessThanOrEqual(15);
    expect(check?.Properties.Environment).toBeUndefined();
  });

  it("rolls out in stages, and watches longer than an alarm takes to ring", () => {
    const strategies = made.of("AWS::AppConfig::DeploymentStrategy").map(({ Properties }) => Properties);
    const slowestAlarmMinutes = 3;

    expect(strategies.map(({ Name }) => Name)).toEqual(["hms-bridge-staged", "hms-bridge-at-once"]);
    expect(strategies[0]).toMatchObject({ GrowthType: "LINEAR", GrowthFactor: 20, DeploymentDurationInMinutes: 10 });
    expect(strategies[0]?.FinalBakeTimeInMinutes).toBeGreaterThan(slowestAlarmMinutes);
    expect(strategies[1]).toMatchObject({
      GrowthFactor: 100,
      DeploymentDurationInMinutes: 0,
      FinalBakeTimeInMinutes: 0,
    });
    for (const { ReplicateTo } of strategies) expect(ReplicateTo).toBe("NONE");
  });

  it("takes sheets back when the mapper fails, packets cannot be mapped, or the inbox waits or gives up", () => {
    const { Monitors } = only(made, "AWS::AppConfig::Environment").Properties;
    const mostAppConfigWatches = 5;

    const watched = (Monitors as { AlarmArn: unknown }[]).map(
      ({ AlarmArn }) => /:alarm:([\w-]+)/.exec(text(AlarmArn))?.[1],
    );
    expect(watched).toEqual([
      "hms-bridge-mapper-failing",
      "hms-bridge-mapping-faults",
      "hms-bridge-inbox-waits",
      "hms-bridge-inbox-dead-letters",
    ]);
    expect(watched.length).toBeLessThanOrEqual(mostAppConfigWatches);
    const alarms = made.of("AWS::CloudWatch::Alarm").map(({ Properties }) => Properties.AlarmName);
    expect(alarms).toEqual(expect.arrayContaining(watched));
    for (const { AlarmRoleArn } of Monitors) expect(text(AlarmRoleArn)).toMatch(/AlarmWatcher/);
  });

  it("lets those functions read sheets that map, and these sheets only", () => {
    const readers = made
      .of("AWS::IAM::Policy")
      .filter(({ Properties }) => text(Properties.PolicyDocument).includes("appconfig:"));

    expect(readers).toHaveLength(sheetReaders.length);
    for (const reader of sheetReaders) {
      const policy = readers.find(({ Properties }) => text(Properties.Roles).includes(`role${reader}`));
      const [statement, ...more] = policy?.Properties.PolicyDocument.Statement ?? [];
      expect(text(told.get(`/hms-bridge/role-${reader}`))).toMatch(new RegExp(`"${reader}Role`, "i"));
      expect(more).toEqual([]);
      expect(statement.Action).toEqual(["appconfig:GetLatestConfiguration", "appconfig:StartConfigurationSession"]);
      expect(text(statement.Resource)).toMatch(
        /:application\/",\{"Ref":"Application"\},"\/environment\/",\{"Ref":"Environment"\},"\/configuration\/",\{"Ref":"Profile"\}\]\]\}$/,
      );
    }
  });

  it("tells whoever ships where to, and which connectors sheets may name", async () => {
    const value = told.get("/hms-bridge/sheets") as { "Fn::Join": [string, unknown[]] };
    const joined = value["Fn::Join"][1].map((part) => (typeof part === "string" ? part : "id")).join("");

    const { connectors, ...places } = readAppConfigTargets(joined);

    const files = await listConnectorFiles("connectors");
    const there = deployable(
      files,
      readSettings(() => undefined),
    );
    expect(connectors).toEqual(there.map(({ connector }) => connectorId(connector)));
    expect(Object.values(places)).toEqual(Array(6).fill("id"));
  });

  it("holds no sheet: none changes a stack", () => {
    expect(made.of("AWS::AppConfig::HostedConfigurationVersion")).toEqual([]);
    expect(made.of("AWS::AppConfig::Deployment")).toEqual([]);
    for (const template of made.texts) expect(template).not.toContain("policy.per_diem.updated");
  });

  it("shares nothing by export: no stack keeps another from changing", () => {
    for (const template of made.texts) {
      expect(template).not.toContain("Fn::ImportValue");
      expect(template).not.toMatch(/"Export":/);
    }
  });

  it("goes by the deployment's name", async () => {
    const other = await synthesize("us-east-1", { name: "hms-test" });

    expect(only(other, "AWS::AppConfig::Application").Properties.Name).toBe("hms-test");
    expect(other.of("AWS::SSM::Parameter").map(({ Properties }) => Properties.Name)).toContain("/hms-test/sheets");
  });
});
