import { readdirSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { type Resource, type Synthesized, synthesize, templatesFor } from "./templates.ts";

const regions = ["us-east-1", "us-gov-west-1"] as const;
const connectorFiles = readdirSync("connectors").filter((name) => name.endsWith(".ts"));

/** What GovCloud has not, or what would keep the bridge from a deployment there. */
const forbiddenTypes = [
  "AWS::Events::ApiDestination",
  "AWS::Events::Connection",
  "AWS::Pipes::Pipe",
  "AWS::Scheduler::Schedule",
  "AWS::Scheduler::ScheduleGroup",
  "Custom::",
];

interface Statement {
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Principal?: unknown;
  readonly Condition?: Record<string, Record<string, unknown>>;
}

const statementsOf = (resource: Resource): Statement[] => resource.Properties.PolicyDocument.Statement;
const nameOf = ({ Properties }: Resource): string => Properties.QueueName;
const text = (value: unknown): string => JSON.stringify(value);

describe.each(regions)("the templates for %s", (region) => {
  let made: Synthesized;
  beforeAll(async () => {
    made = await templatesFor(region);
  });

  it("name no partition: the same template deploys in any", () => {
    for (const template of made.texts) expect(template.match(/arn:aws(-us-gov|-cn)?:.{0,60}/g)).toBeNull();
  });

  it("use nothing GovCloud lacks", () => {
    const types = [...new Set([...made.resources.values()].map(({ Type }) => Type))];

    expect(types.filter((type) => forbiddenTypes.some((forbidden) => type.startsWith(forbidden)))).toEqual([]);
    for (const { Properties } of made.of("AWS::Lambda::EventSourceMapping")) expect(Properties.Tags).toBeUndefined();
    for (const { Properties } of made.of("AWS::Lambda::Function")) expect(Properties.LoggingConfig).toBeUndefined();
  });

  it("have the way of an event: bus, rule, inbox, mapper, a lane a connector, two tables, and the check of sheets", () => {
    expect(made.of("AWS::Events::EventBus")).toHaveLength(1);
    expect(busRules(made)).toHaveLength(1);
    expect(made.of("AWS::DynamoDB::Table")).toHaveLength(2);
    expect(made.of("AWS::Lambda::Function")).toHaveLength(3 + 2 * connectorFiles.length);
    expect(made.of("AWS::SQS::Queue").filter((queue) => nameOf(queue).includes("-lane-"))).toHaveLength(
      connectorFiles.length,
    );
  });
});

/** The rules on the bus; others only keep time. */
function busRules(made: Synthesized): Resource[] {
  return made.of("AWS::Events::Rule").filter(({ Properties }) => Properties.EventPattern);
}

describe("the templates", () => {
  let made: Synthesized;
  let queues: Resource[];
  let functions: Resource[];
  beforeAll(async () => {
    made = await templatesFor("us-east-1");
    queues = made.of("AWS::SQS::Queue");
    functions = made.of("AWS::Lambda::Function");
  });

  it("route every HMS event to the inbox as it is, and never the bridge's own", () => {
    const [rule] = busRules(made);

    expect(rule?.Properties.EventPattern).toEqual({
      source: [{ prefix: "hms." }],
      "detail-type": [{ "anything-but": { prefix: "sync." } }],
    });
    expect(rule?.Properties.Targets).toHaveLength(1);
    expect(rule?.Properties.Targets[0]).toMatchObject({ InputPath: "$.detail", DeadLetterConfig: expect.anything() });
  });

  it("make one lane a file of connectors/, and say which file a function is", () => {
    const sources = functions.map(({ Properties }) => Properties.Description).sort();

    expect(sources).toEqual(
      [
        ...connectorFiles.flatMap((file) => [`connectors/${file}`, "bridge/probe.ts"]),
        "functions/mapper.ts",
        "bridge/watchdog.ts",
        "functions/sheet-check.ts",
      ].sort(),
    );
  });

  it("give every queue a dead-letter queue, but those that are one", () => {
    const without = queues.filter(({ Properties }) => !Properties.RedrivePolicy).map(nameOf);

    for (const name of without) expect(name).toMatch(/-(rule-dead|inbox-dead|outbox-.*\.fifo)$/);
    for (const { Properties } of queues.filter(({ Properties }) => Properties.RedrivePolicy)) {
      expect(Properties.RedrivePolicy.maxReceiveCount).toBe(30);
    }
  });

  it("make lanes and outboxes high-throughput FIFO queues with names of their own", () => {
    const fifo = queues.filter((queue) => /-(lane|outbox)-/.test(nameOf(queue)));

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

  it("hide a message six times as long as a function may run", () => {
    const longest = Math.max(...functions.map(({ Properties }) => Properties.Timeout));

    expect(longest).toBe(30);
    for (const { Properties } of queues) expect(Properties.VisibilityTimeout).toBeGreaterThanOrEqual(6 * longest);
  });

  it("let a function say which messages failed, and limit how many run at once", () => {
    const sources = made.of("AWS::Lambda::EventSourceMapping");

    expect(sources).toHaveLength(1 + connectorFiles.length);
    for (const { Properties } of sources) {
      expect(Properties.FunctionResponseTypes).toEqual(["ReportBatchItemFailures"]);
      expect(Properties.ScalingConfig.MaximumConcurrency).toBeGreaterThanOrEqual(2);
      expect(Properties.BatchSize).toBe(10);
    }
  });

  it("call the watchdog and every probe each minute, and no late minute twice", () => {
    const schedules = made.of("AWS::Events::Rule").filter(({ Properties }) => Properties.ScheduleExpression);

    expect(schedules).toHaveLength(1 + connectorFiles.length);
    for (const { Properties } of schedules) {
      expect(Properties.ScheduleExpression).toBe("rate(1 minute)");
      expect(Properties.Targets[0].RetryPolicy).toEqual({ MaximumEventAgeInSeconds: 60, MaximumRetryAttempts: 0 });
    }
  });

  it("let only a connector's messages come back to it", () => {
    for (const { Properties } of functions) {
      const isConnector = Properties.Description.startsWith("connectors/");
      expect(Properties.RecursiveLoop).toBe(isConnector ? "Allow" : undefined);
    }
  });

  it("run every function on Node 24", () => {
    for (const { Properties } of functions) expect(Properties.Runtime).toBe("nodejs24.x");
  });

  it("encrypt everything at rest with the bridge's own key", () => {
    const ours = /key/i;
    for (const { Properties } of queues) expect(text(Properties.KmsMasterKeyId)).toMatch(ours);
    for (const { Properties } of made.of("AWS::SNS::Topic")) expect(text(Properties.KmsMasterKeyId)).toMatch(ours);
    for (const { Properties } of made.of("AWS::Logs::LogGroup")) expect(text(Properties.KmsKeyId)).toMatch(ours);
    for (const { Properties } of made.of("AWS::SecretsManager::Secret"))
      expect(text(Properties.KmsKeyId)).toMatch(ours);
    for (const { Properties } of made.of("AWS::Events::EventBus"))
      expect(text(Properties.KmsKeyIdentifier)).toMatch(ours);
    for (const { Properties } of functions) expect(text(Properties.KmsKeyArn)).toMatch(ours);
    for (const { Properties } of made.of("AWS::DynamoDB::Table")) {
      expect(Properties.SSESpecification).toMatchObject({ SSEEnabled: true, SSEType: "KMS" });
      expect(text(Properties.SSESpecification.KMSMasterKeyId)).toMatch(ours);
    }
  });

  it("refuse every queue and topic whoever does not come by TLS", () => {
    const policies = [...made.of("AWS::SQS::QueuePolicy"), ...made.of("AWS::SNS::TopicPolicy")];

    expect(made.of("AWS::SQS::QueuePolicy")).toHaveLength(queues.length);
    for (const policy of policies) {
      const denied = statementsOf(policy).filter(({ Effect }) => Effect === "Deny");
      expect(text(denied)).toContain('"aws:SecureTransport":"false"');
    }
  });

  it("let a service in only for this account, one rule or one bus", () => {
    const policies = [...made.of("AWS::SQS::QueuePolicy"), ...made.of("AWS::SNS::TopicPolicy")].flatMap(statementsOf);
    const key = made.of("AWS::KMS::Key").flatMap(({ Properties }) => Properties.KeyPolicy.Statement as Statement[]);

    for (const statement of [...policies, ...key]) {
      if (statement.Effect !== "Allow" || !text(statement.Principal).includes("Service")) continue;
      expect(text(statement.Condition)).toMatch(/aws:Source(Arn|Account)|kms:EncryptionContext:aws:logs:arn/);
    }
  });

  it("keep the tables whatever happens to the stack, and can take them back to any second", () => {
    for (const table of made.of("AWS::DynamoDB::Table")) {
      expect(table.DeletionPolicy).toBe("Retain");
      expect(table.Properties.DeletionProtectionEnabled).toBe(true);
      expect(table.Properties.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled).toBe(true);
    }
    expect(made.of("AWS::KMS::Key")[0]?.DeletionPolicy).toBe("Retain");
    expect(made.of("AWS::SecretsManager::Secret")[0]?.DeletionPolicy).toBe("Retain");
  });

  it("leave nobody a way to change or remove a ledger entry", () => {
    const ledger = made.of("AWS::DynamoDB::Table").find(({ Properties }) => Properties.StreamSpecification);
    const [deny] = (ledger?.Properties.ResourcePolicy.PolicyDocument.Statement ?? []) as Statement[];
    const granted = made
      .of("AWS::IAM::Policy")
      .flatMap(statementsOf)
      .filter((statement) => text(statement.Resource).includes("ledgertable"));

    expect(ledger?.Properties.StreamSpecification.StreamViewType).toBe("NEW_AND_OLD_IMAGES");
    expect(ledger?.Properties.TimeToLiveSpecification).toBeUndefined();
    expect(deny?.Effect).toBe("Deny");
    expect(deny?.Principal).toEqual({ AWS: "*" });
    expect([deny?.Action].flat().sort()).toEqual([
      "dynamodb:BatchWriteItem",
      "dynamodb:DeleteItem",
      "dynamodb:PartiQLDelete",
      "dynamodb:PartiQLUpdate",
      "dynamodb:PutItem",
      "dynamodb:UpdateItem",
    ]);
    // Mapper, watchdog and connectors: a probe writes no entry.
    expect(granted).toHaveLength(2 + connectorFiles.length);
    for (const statement of granted) expect(statement.Action).toBe("dynamodb:PartiQLInsert");
  });

  it("grant no role more than a named thing", () => {
    /** A grant on more than one named resource, and why it cannot be narrower. */
    const excepted: readonly RegExp[] = [
      // AppConfig asks for the state of the alarms that end a rollout; CloudWatch answers from the list of all.
      /:cloudwatch:.*:alarm:\*/,
    ];
    /** Actions that end in a star, and why. */
    const kindsOfActions = [
      // KMS: `GenerateDataKey` and `GenerateDataKeyWithoutPlaintext`, `ReEncryptFrom` and `ReEncryptTo`.
      "kms:GenerateDataKey*",
      "kms:ReEncrypt*",
    ];
    const statements = made.of("AWS::IAM::Policy").flatMap(statementsOf);

    for (const { Resource, Action } of statements) {
      const wide = [Resource].flat().filter((resource) => /[*?]/.test(text(resource)));
      expect(wide.filter((resource) => !excepted.some((exception) => exception.test(text(resource))))).toEqual([]);
      expect([Action].flat().filter((action) => action.includes("*") && !kindsOfActions.includes(action))).toEqual([]);
    }
    for (const { Properties } of made.of("AWS::IAM::Role")) expect(Properties.ManagedPolicyArns).toBeUndefined();
  });

  it("give every function a role and a log group of its own, kept for a year", () => {
    const groups = made.of("AWS::Logs::LogGroup");

    // And one for AppConfig, to see the alarms.
    expect(made.of("AWS::IAM::Role")).toHaveLength(functions.length + 1);
    expect(groups.map(({ Properties }) => Properties.LogGroupName).sort()).toEqual(
      functions.map(({ Properties }) => `/aws/lambda/${Properties.FunctionName}`).sort(),
    );
    for (const { Properties } of groups) expect(Properties.RetentionInDays).toBe(365);
  });

  it("wake somebody when a lane stalls, an outbox fills, or an event is given up", () => {
    const alarms = made.of("AWS::CloudWatch::Alarm");

    expect(alarms).toHaveLength(6 + 3 * connectorFiles.length);
    for (const { Properties } of alarms) {
      expect(Properties.AlarmActions).toHaveLength(1);
      expect(Properties.AlarmDescription.length).toBeGreaterThan(20);
    }
  });
});

describe("a deployment's settings", () => {
  it("name it, find its bus, turn to FIPS endpoints, and reach a connector's function", async () => {
    const connectors = { PayrollConnector: { baseUrl: "https://payroll.agency.example" } };

    const made = await synthesize("us-gov-west-1", { name: "hms-test", bus: "agency-bus", fips: true, connectors });

    expect(made.of("AWS::Events::EventBus")).toEqual([]);
    expect(busRules(made)[0]?.Properties.EventBusName).toBe("agency-bus");
    for (const queue of made.of("AWS::SQS::Queue")) expect(nameOf(queue)).toMatch(/^hms-test-/);
    for (const { Properties } of made.of("AWS::Lambda::Function")) {
      expect(Properties.FunctionName).toMatch(/^hms-test-/);
      // It calls nothing.
      if (Properties.Description === "functions/sheet-check.ts") continue;
      const { AWS_USE_FIPS_ENDPOINT: fips, CONFIG: config } = Properties.Environment.Variables;
      expect(fips).toBe("true");
      if (Properties.Description === "connectors/payroll.ts") {
        expect(JSON.parse(config)).toEqual(connectors.PayrollConnector);
      }
    }
  });

  it("are refused where a connector's own schema would refuse them", async () => {
    const connectors = { PayrollConnector: { baseUrl: "nowhere" } };

    await expect(synthesize("us-east-1", { connectors })).rejects.toThrow(/connectors\.PayrollConnector\.baseUrl/);
  });

  it("are refused with the key and its fault", async () => {
    await expect(synthesize("us-east-1", { name: "HMS Bridge" })).rejects.toThrow(/the CDK context, name: /);
  });
});
