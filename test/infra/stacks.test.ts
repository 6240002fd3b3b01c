import { basename } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { listConnectorFiles as filesOf } from "../../connectors/protocols/load-connectors.ts";
import { deployable } from "../../infra/connector-config.ts";
import { readSettings } from "../../infra/settings.ts";
import { type Resource, regions, type Synthesized, statementsOf, synthesize, templatesFor, text } from "./templates.ts";

/** Connectors that need no settings. Others have no lane until they are configured. */
const connectorFiles = deployable(
  await filesOf("connectors"),
  readSettings(() => undefined),
).map(({ file }) => basename(file));

const nameOf = ({ Properties }: Resource): string => Properties.QueueName;

/** Returns the rules that forward events to the bridge, without the rule for alerts and scheduled rules. */
const busRules = (templates: Synthesized): Resource[] =>
  templates
    .of("AWS::Events::Rule")
    .filter(({ Properties: { EventPattern, Name } }) => EventPattern && !Name.endsWith("-alerts"));

describe.each(regions)("stacks for %s", (region) => {
  let templates: Synthesized;
  beforeAll(async () => {
    templates = await templatesFor(region);
  });

  it("the stacks contain bus, archive, rule, inbox, mapper, a lane per connector, two tables and the sheet check", () => {
    expect(templates.of("AWS::Events::EventBus")).toHaveLength(1);
    expect(templates.of("AWS::Events::Archive")).toHaveLength(1);
    expect(busRules(templates)).toHaveLength(1);
    expect(templates.of("AWS::DynamoDB::Table")).toHaveLength(2);
    expect(templates.of("AWS::Lambda::Function")).toHaveLength(7 + 2 * connectorFiles.length);
    expect(templates.of("AWS::SQS::Queue").filter((queue) => nameOf(queue).includes("-lane-"))).toHaveLength(
      connectorFiles.length,
    );
  });

  it("the rule routes every HMS event to the inbox unchanged, and none of the bridge's own", () => {
    const [rule] = busRules(templates);
    const pattern = { source: [{ prefix: "hms." }], "detail-type": [{ "anything-but": { prefix: "sync." } }] };

    expect(rule?.Properties.EventPattern).toEqual(pattern);
    expect(rule?.Properties.Targets).toHaveLength(1);
    expect(rule?.Properties.Targets[0]).toMatchObject({ InputPath: "$.detail", DeadLetterConfig: expect.anything() });
    expect(templates.of("AWS::Events::Archive")[0]?.Properties).toMatchObject({
      EventPattern: pattern,
      RetentionDays: 30,
    });
  });

  it("every file in connectors/ gets a lane, and every function names its source file", () => {
    const sources = templates.of("AWS::Lambda::Function").map(({ Properties }) => Properties.Description);

    expect(sources.sort()).toEqual(
      [
        ...connectorFiles.flatMap((file) => [`connectors/${file}`, "bridge/maintenance/probe.ts"]),
        "functions/mapper.ts",
        "bridge/maintenance/watchdog.ts",
        "functions/ops.ts",
        "functions/inbound.ts",
        "functions/ledger-copy-handler.ts",
        "functions/ledger-seal-handler.ts",
        "functions/sheet-check.ts",
      ].sort(),
    );
  });

  it("lanes and outboxes are high-throughput FIFO queues named by connector", () => {
    const fifo = templates.of("AWS::SQS::Queue").filter((queue) => /-(lane|outbox)-/.test(nameOf(queue)));

    expect(fifo).toHaveLength(2 * connectorFiles.length);
    for (const queue of fifo) {
      expect(nameOf(queue)).toMatch(/^hms-bridge-(lane|outbox)-[\w-]+-v\d+\.fifo$/);
      expect(queue.Properties).toMatchObject({
        FifoQueue: true,
        DeduplicationScope: "messageGroup",
        FifoThroughputLimit: "perMessageGroupId",
      });
      expect(queue.Properties.ContentBasedDeduplication).toBeUndefined();
    }
  });

  it("every event source reports partial batch failures and has a maximum concurrency", () => {
    const sources = templates
      .of("AWS::Lambda::EventSourceMapping")
      .filter(({ Properties }) => !Properties.StartingPosition);

    expect(sources).toHaveLength(1 + connectorFiles.length);
    for (const { Properties } of sources) {
      expect(Properties.FunctionResponseTypes).toEqual(["ReportBatchItemFailures"]);
      expect(Properties.ScalingConfig.MaximumConcurrency).toBeGreaterThanOrEqual(2);
      expect(Properties.BatchSize).toBe(10);
    }
  });

  it("watchdog and probes run every minute, without retries", () => {
    const schedules = templates
      .of("AWS::Events::Rule")
      .filter(({ Properties }) => Properties.ScheduleExpression && !Properties.Description.includes("ledger-seal"));

    expect(schedules).toHaveLength(1 + connectorFiles.length);
    for (const { Properties } of schedules) {
      expect(Properties.ScheduleExpression).toBe("rate(1 minute)");
      expect(Properties.Targets[0].RetryPolicy).toEqual({ MaximumEventAgeInSeconds: 60, MaximumRetryAttempts: 0 });
    }
  });

  it("only connectors allow recursive loops", () => {
    for (const { Properties } of templates.of("AWS::Lambda::Function")) {
      const isConnector = Properties.Description.startsWith("connectors/");
      expect(Properties.RecursiveLoop).toBe(isConnector ? "Allow" : undefined);
    }
  });

  it("every function runs on Node 24 with tracing and a log level", () => {
    for (const { Properties } of templates.of("AWS::Lambda::Function")) {
      expect(Properties.Runtime).toBe("nodejs24.x");
      expect(Properties.TracingConfig).toEqual({ Mode: "Active" });
      // It has no log level, because it logs nothing.
      if (Properties.Description === "functions/sheet-check.ts") continue;
      expect(Properties.Environment.Variables.LOG_LEVEL).toBe("INFO");
    }
  });
});

describe("deployment settings", { timeout: 60_000 }, () => {
  it("name, bus, FIPS endpoints and connector configuration reach every function", async () => {
    const connectors = { PayrollConnector: { baseUrl: "https://payroll.agency.example" } };

    const templates = await synthesize("us-gov-west-1", {
      name: "hms-test",
      bus: "agency-bus",
      fips: true,
      connectors,
    });

    expect(templates.of("AWS::Events::EventBus")).toEqual([]);
    expect(busRules(templates)[0]?.Properties.EventBusName).toBe("agency-bus");
    expect(text(templates.of("AWS::Events::Archive")[0]?.Properties.SourceArn)).toContain("event-bus/agency-bus");
    expect(text(templates.of("AWS::SQS::QueuePolicy"))).toContain("rule/agency-bus/hms-test-hms-events");
    for (const queue of templates.of("AWS::SQS::Queue")) expect(nameOf(queue)).toMatch(/^hms-test-/);
    for (const { Properties } of templates.of("AWS::Lambda::Function")) {
      expect(Properties.FunctionName).toMatch(/^hms-test-/);
      // It makes no calls.
      if (Properties.Description === "functions/sheet-check.ts") continue;
      const { AWS_USE_FIPS_ENDPOINT: fips, CONFIG: config } = Properties.Environment.Variables;
      expect(fips).toBe("true");
      if (Properties.Description === "connectors/payroll.ts") {
        expect(JSON.parse(config)).toEqual(connectors.PayrollConnector);
      }
    }
  });

  it("vpc places every function in the agency's network, where its code cannot create network interfaces", async () => {
    const vpc = { subnets: ["subnet-0a1b2c3d", "subnet-0a1b2c3e"], securityGroups: ["sg-0a1b2c3d"] };

    const templates = await synthesize("us-gov-west-1", { vpc });

    for (const { Properties } of templates.of("AWS::Lambda::Function")) {
      expect(Properties.VpcConfig).toEqual({ SubnetIds: vpc.subnets, SecurityGroupIds: vpc.securityGroups });
    }
    const interfaces = templates
      .of("AWS::IAM::Policy")
      .map((policy) => statementsAbout(policy, "ec2:CreateNetworkInterface"));
    for (const [allow, deny] of interfaces.filter((found) => found.length > 0)) {
      expect([allow?.Effect, deny?.Effect]).toEqual(["Allow", "Deny"]);
      expect(allow?.Action).toEqual(expect.arrayContaining([deny?.Action].flat()));
      expect(text(deny?.Condition)).toMatch(/"lambda:SourceFunctionArn".*:function:hms-bridge-/);
    }
  });

  it("places lets only mapper, watchdog and operator API read files, and only in these folders", async () => {
    const places = ["s3://agency-rosters/", "s3://agency-exports/from hms/"];

    const [templates, withoutPlaces] = [
      await synthesize("us-gov-west-1", { places }),
      await templatesFor("us-gov-west-1"),
    ];

    const reads = templates.grants().filter(({ Resource }) => text(Resource).includes("agency-"));
    expect(reads).toHaveLength(3);
    for (const { Action, Resource } of reads) {
      expect(Action).toEqual(["s3:GetObject", "s3:GetObjectVersion"]);
      expect(text(Resource)).toContain(':s3:::agency-rosters/*"');
      expect(text(Resource)).toContain(':s3:::agency-exports/from hms/*"');
    }
    for (const { Properties } of templates.of("AWS::Lambda::Function")) {
      const reader = /^(functions\/(mapper|ops)|bridge\/maintenance\/watchdog)\.ts$/.test(Properties.Description);
      expect(Properties.Environment?.Variables.PLACES).toBe(reader ? JSON.stringify(places) : undefined);
    }
    expect(text(withoutPlaces.grants())).not.toContain("s3:GetObjectVersion");
  });

  it("placeKeys lets only mapper, watchdog and operator API use the keys, and only through S3", async () => {
    const placeKeys = ["arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/0a1b2c3d-0000-1111-2222-333344445555"];

    const templates = await synthesize("us-gov-west-1", { places: ["s3://agency-rosters/"], placeKeys });

    const uses = templates.grants().filter(({ Resource }) => text(Resource).includes("0a1b2c3d"));
    expect(uses).toHaveLength(3);
    for (const { Action, Resource, Condition } of uses) {
      expect([Action, Resource]).toEqual(["kms:Decrypt", placeKeys[0]]);
      expect(text(Condition?.StringEquals?.["kms:ViaService"])).toContain("s3.us-gov-west-1.");
    }
  });

  it("governance lets only mapper, watchdog and operator API read the compliance engine's token", async () => {
    const governance = { url: "https://esq.hms.gov/vet" };

    const templates = await synthesize("us-gov-west-1", { governance });

    const reads = templates.grants().filter(({ Resource }) => /secret:[^"]*\/governance/.test(text(Resource)));
    expect(reads.map(({ Action }) => Action)).toEqual(Array(3).fill("secretsmanager:GetSecretValue"));
    for (const { Properties } of templates.of("AWS::Lambda::Function")) {
      const asks = /^(functions\/(mapper|ops)|bridge\/maintenance\/watchdog)\.ts$/.test(Properties.Description);
      const value = Properties.Environment?.Variables.GOVERNANCE;
      expect(asks ? JSON.parse(value as string) : value).toEqual(
        asks ? { ...governance, timeoutMs: 2_000, cacheMs: 300_000 } : undefined,
      );
    }
  });

  it("payloadRetentionDays sets the retention of payloads", async () => {
    const templates = await synthesize("us-gov-west-1", { payloadRetentionDays: "30" });

    const watchdog = templates
      .of("AWS::Lambda::Function")
      .find(({ Properties }) => /watchdog/.test(Properties.Description));
    expect(watchdog?.Properties.Environment?.Variables.PAYLOAD_RETENTION_DAYS).toBe("30");
  });

  it("only mapper, watchdog and webhook endpoint can send to the inbox", async () => {
    const templates = await templatesFor("us-gov-west-1");

    const inbox = templates
      .grants()
      .filter(
        ({ Action, Effect, Resource }) =>
          Effect === "Allow" && [Action].flat().includes("sqs:SendMessage") && /inbox/i.test(text(Resource)),
      );

    expect(inbox).toHaveLength(3);
  });

  it("permissionsBoundary applies to every role", async () => {
    const templates = await synthesize("us-gov-west-1", { permissionsBoundary: "agency/developer-boundary" });

    for (const { Properties } of templates.of("AWS::IAM::Role")) {
      expect(text(Properties.PermissionsBoundary)).toMatch(/:policy\/agency\/developer-boundary"/);
    }
  });

  it("no archive and no grant for it on the key exist if archiveDays is 0", async () => {
    const templates = await synthesize("us-east-1", { archiveDays: "0" });

    expect(templates.of("AWS::Events::Archive")).toEqual([]);
    expect(text(templates.of("AWS::KMS::Key"))).not.toContain("Archive");
  });

  it("the synthesis fails if a connector's schema rejects its configuration", async () => {
    const connectors = { PayrollConnector: { baseUrl: "nowhere" } };

    await expect(synthesize("us-east-1", { connectors })).rejects.toThrow(/connectors\.PayrollConnector\.baseUrl/);
  });

  it.each([
    ["places", ["s3://bucket"], "places.0: is not a folder URL such as s3://bucket/rosters/"],
    ["places", ["s3://bucket/*/"], "places.0: is not a folder URL such as s3://bucket/rosters/"],
    ["placeKeys", ["arn:aws:kms:us-east-1:123456789012:alias/rosters"], "placeKeys.0: is not the ARN of a key such as"],
    ["governance", { url: "esq" }, "governance.url: is not a URL such as https://esq.hms.gov/vet"],
    ["name", "HMS Bridge", "name: is not a short lowercase name"],
    ["archiveDays", -1, "archiveDays: is below 0"],
    ["payloadRetentionDays", 0, "payloadRetentionDays: is below 1"],
    ["logRetentionDays", 31, "logRetentionDays: is not 30, 60"],
    ["logLevel", "LOUD", "logLevel: "],
    ["vpc", { subnets: ["subnet-0a1b2c3d"] }, "vpc.securityGroups: "],
    ["vpc", { subnets: [], securityGroups: ["sg-0a1b2c3d"] }, "vpc.subnets: names no subnet"],
    ["vpc", { subnets: ["vpc-0a1b2c3d"], securityGroups: ["sg-0a1b2c3d"] }, "vpc.subnets.0: is not an id such as"],
    ["permissionsBoundary", "arn:aws:iam::123456789012:policy/b", "permissionsBoundary: is not the name of a managed"],
  ])("the synthesis fails with the key and the issue: %s", async (key, value, fault) => {
    await expect(synthesize("us-east-1", { [key]: value })).rejects.toThrow(`the CDK context, ${fault}`);
  });
});

function statementsAbout(policy: Resource, action: string) {
  return statementsOf(policy).filter(({ Action }) => [Action].flat().includes(action));
}
