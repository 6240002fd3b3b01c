import { beforeAll, describe, expect, it } from "vitest";
import { connectorId } from "../../bridge/model/connector.ts";
import { listConnectorFiles } from "../../connectors/protocols/load-connectors.ts";
import { deployable } from "../../infra/connector-config.ts";
import { readSettings } from "../../infra/settings.ts";
import { readAppConfigTargets } from "../../platform/aws/appconfig-targets.ts";
import { sheetReaders } from "../../platform/aws/names.ts";
import { type Resource, type Synthesized, synthesize, templatesFor } from "./templates.ts";

const text = (value: unknown): string => JSON.stringify(value);

/** Returns the only resource of a type. */
function only(templates: Synthesized, type: string): Resource {
  const [resource, ...more] = templates.of(type);
  if (!resource || more.length > 0) throw new Error(`${more.length + 1} of ${type}`);
  return resource;
}

describe("mappings stack", () => {
  let templates: Synthesized;
  /** Values of the deployment's parameters, by name. */
  let parameters: Map<string, unknown>;
  beforeAll(async () => {
    templates = await templatesFor("us-gov-west-1");
    parameters = new Map(
      templates.of("AWS::SSM::Parameter").map(({ Properties }) => [Properties.Name, Properties.Value]),
    );
  });

  it("validates sheets with a draft-04 JSON schema and with sheet-check", () => {
    const [shape, check, ...more] = only(templates, "AWS::AppConfig::ConfigurationProfile").Properties.Validators;

    expect(more).toEqual([]);
    expect(shape.Type).toBe("JSON_SCHEMA");
    expect(JSON.parse(shape.Content).$schema).toBe("http://json-schema.org/draft-04/schema#");
    expect(check.Type).toBe("LAMBDA");
    expect(text(check.Content)).toMatch(/SheetCheck/);
  });

  it("encrypts sheets with the bridge's key", () => {
    const { KmsKeyIdentifier, LocationUri } = only(templates, "AWS::AppConfig::ConfigurationProfile").Properties;

    expect(LocationUri).toBe("hosted");
    expect(text(KmsKeyIdentifier)).toMatch(/key/i);
  });

  it("lets only AppConfig invoke sheet-check, which may only write logs and traces", () => {
    const permissions = templates
      .of("AWS::Lambda::Permission")
      .filter(({ Properties }) => text(Properties.FunctionName).includes("SheetCheck"));
    const roles = templates
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

  it("limits sheet-check to the time AppConfig allows a validator", () => {
    const check = templates
      .of("AWS::Lambda::Function")
      .find(({ Properties }) => Properties.Description === "functions/sheet-check.ts");

    expect(check?.Properties.Timeout).toBeLessThanOrEqual(15);
    expect(check?.Properties.Environment).toBeUndefined();
  });

  it("rolls out in stages and then monitors for longer than an alarm takes to fire", () => {
    const strategies = templates.of("AWS::AppConfig::DeploymentStrategy").map(({ Properties }) => Properties);
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

  it("rolls sheets back on alarms for failing mappers, mapping faults, a slow inbox and dead letters", () => {
    const { Monitors } = only(templates, "AWS::AppConfig::Environment").Properties;
    const maxMonitors = 5;

    const watched = (Monitors as { AlarmArn: unknown }[]).map(
      ({ AlarmArn }) => /:alarm:([\w-]+)/.exec(text(AlarmArn))?.[1],
    );
    expect(watched).toEqual([
      "hms-bridge-mapper-failing",
      "hms-bridge-mapping-faults",
      "hms-bridge-inbox-waits",
      "hms-bridge-inbox-dead-letters",
    ]);
    expect(watched.length).toBeLessThanOrEqual(maxMonitors);
    const alarms = templates.of("AWS::CloudWatch::Alarm").map(({ Properties }) => Properties.AlarmName);
    expect(alarms).toEqual(expect.arrayContaining(watched));
    for (const { AlarmRoleArn } of Monitors) expect(text(AlarmRoleArn)).toMatch(/AlarmWatcher/);
  });

  it("lets only functions that map read the sheets, and only these sheets", () => {
    const readers = templates
      .of("AWS::IAM::Policy")
      .filter(({ Properties }) => text(Properties.PolicyDocument).includes("appconfig:"));

    expect(readers).toHaveLength(sheetReaders.length);
    for (const reader of sheetReaders) {
      const policy = readers.find(({ Properties }) => text(Properties.Roles).includes(`role${reader}`));
      const [statement, ...more] = policy?.Properties.PolicyDocument.Statement ?? [];
      expect(text(parameters.get(`/hms-bridge/role-${reader}`))).toMatch(new RegExp(`"${reader}Role`, "i"));
      expect(more).toEqual([]);
      expect(statement.Action).toEqual(["appconfig:GetLatestConfiguration", "appconfig:StartConfigurationSession"]);
      expect(text(statement.Resource)).toMatch(
        /:application\/",\{"Ref":"Application"\},"\/environment\/",\{"Ref":"Environment"\},"\/configuration\/",\{"Ref":"Profile"\}\]\]\}$/,
      );
    }
  });

  it("publishes the ids for deploying sheets and the connectors that sheets may name", async () => {
    const value = parameters.get("/hms-bridge/sheets") as { "Fn::Join": [string, unknown[]] };
    const joined = value["Fn::Join"][1].map((part) => (typeof part === "string" ? part : "id")).join("");

    const { connectors, ...ids } = readAppConfigTargets(joined);

    const files = await listConnectorFiles("connectors");
    const deployed = deployable(
      files,
      readSettings(() => undefined),
    );
    expect(connectors).toEqual(deployed.map(({ connector }) => connectorId(connector)));
    expect(Object.values(ids)).toEqual(Array(6).fill("id"));
  });

  it("contains no sheets, so a new sheet changes no stack", () => {
    expect(templates.of("AWS::AppConfig::HostedConfigurationVersion")).toEqual([]);
    expect(templates.of("AWS::AppConfig::Deployment")).toEqual([]);
    for (const template of templates.texts) expect(template).not.toContain("policy.per_diem.updated");
  });

  it("uses no exports, so no stack blocks a change of another", () => {
    for (const template of templates.texts) {
      expect(template).not.toContain("Fn::ImportValue");
      expect(template).not.toMatch(/"Export":/);
    }
  });

  it("uses the deployment's name as a prefix", async () => {
    const other = await synthesize("us-east-1", { name: "hms-test" });

    expect(only(other, "AWS::AppConfig::Application").Properties.Name).toBe("hms-test");
    expect(other.of("AWS::SSM::Parameter").map(({ Properties }) => Properties.Name)).toContain("/hms-test/sheets");
  });
});
