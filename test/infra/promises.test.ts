import { beforeAll, describe, expect, it } from "vitest";
import { maxReceives } from "../../bridge/ports/queue.ts";
import {
  type Resource,
  regions,
  type Statement,
  type Synthesized,
  statementsOf,
  templatesFor,
  text,
} from "./templates.ts";

/** What GovCloud has not, or what would keep the bridge from a deployment there. */
const forbiddenTypes = [
  "AWS::Events::ApiDestination",
  "AWS::Events::Connection",
  "AWS::Pipes::Pipe",
  "AWS::Scheduler::Schedule",
  "AWS::Scheduler::ScheduleGroup",
  "Custom::",
];

/** What holds data at rest, and the property that says with which key. One that is missing here fails the test. */
const keyOf: Readonly<Record<string, (properties: Resource["Properties"]) => unknown>> = {
  "AWS::AppConfig::ConfigurationProfile": (profile) => profile.KmsKeyIdentifier,
  "AWS::SQS::Queue": (queue) => queue.KmsMasterKeyId,
  "AWS::SNS::Topic": (topic) => topic.KmsMasterKeyId,
  "AWS::Logs::LogGroup": (group) => group.KmsKeyId,
  "AWS::SecretsManager::Secret": (secret) => secret.KmsKeyId,
  "AWS::Events::EventBus": (bus) => bus.KmsKeyIdentifier,
  "AWS::Events::Archive": (archive) => archive.KmsKeyIdentifier,
  "AWS::Lambda::Function": (made) => made.KmsKeyArn,
  "AWS::S3::Bucket": ({ BucketEncryption: encryption }) =>
    encryption?.ServerSideEncryptionConfiguration[0].ServerSideEncryptionByDefault.KMSMasterKeyID,
  "AWS::DynamoDB::Table": ({ SSESpecification: sse }) =>
    sse?.SSEEnabled && sse.SSEType === "KMS" ? sse.KMSMasterKeyId : undefined,
};

/** What holds none, or only names. */
const keepsNothing = [
  "AWS::ApiGatewayV2::Api",
  "AWS::ApiGatewayV2::Integration",
  "AWS::ApiGatewayV2::Route",
  "AWS::ApiGatewayV2::Stage",
  "AWS::AppConfig::Application",
  "AWS::AppConfig::DeploymentStrategy",
  "AWS::AppConfig::Environment",
  "AWS::CDK::Metadata",
  "AWS::CloudFormation::Stack",
  "AWS::CloudWatch::Alarm",
  "AWS::CloudWatch::Dashboard",
  "AWS::Events::Rule",
  "AWS::IAM::ManagedPolicy",
  "AWS::IAM::Policy",
  "AWS::IAM::Role",
  "AWS::KMS::Alias",
  "AWS::KMS::Key",
  "AWS::Lambda::EventSourceMapping",
  "AWS::S3::BucketPolicy",
  "AWS::Lambda::Permission",
  "AWS::SNS::TopicPolicy",
  "AWS::SQS::QueuePolicy",
  "AWS::SSM::Parameter",
];

/** Grants on more than a named thing, and why they cannot be narrower. */
const wideGrants: readonly { readonly why: string; readonly fits: (statement: Statement) => boolean }[] = [
  {
    why: "X-Ray knows no resources: a segment belongs to none. Source: Service Authorization Reference, AWS X-Ray.",
    fits: ({ Action, Resource }) =>
      Resource === "*" && [Action].flat().every((action) => action.startsWith("xray:Put")),
  },
  {
    why: "Objects of the ledger's bucket under one name: nobody can know them before they are made.",
    fits: ({ Action, Resource }) =>
      [Action].flat().every((action) => action === "s3:GetObject" || action === "s3:PutObject") &&
      [Resource]
        .flat()
        .every((resource) => /ledgerbucket.*"\/((entries|tampered|seals)\/\*|seal-key\.pem)"/.test(text(resource))),
  },
  {
    why: "Secrets Manager ends a secret's ARN with six characters nobody can know before it is made.",
    fits: ({ Action, Resource }) =>
      Action === "secretsmanager:GetSecretValue" &&
      // In one statement with what is named whole, as the bridge's own key is.
      [Resource]
        .flat()
        .filter((resource) => /[*?]/.test(text(resource)))
        .every((resource) => /:secret:[\w-]+\/[\w@]+-\?{6}"/.test(text(resource))),
  },
  {
    why: "What messages of outside systems are signed with is one secret a connector, all of which the door may read.",
    fits: ({ Action, Resource }) =>
      Action === "secretsmanager:GetSecretValue" &&
      [Resource].flat().every((resource) => /:secret:[\w-]+\/\*\/inbound(-\?{6})?"/.test(text(resource))),
  },
  {
    why: "What operators may call goes by method and place, and a place may name any packet.",
    fits: ({ Action, Resource }) =>
      Action === "execute-api:Invoke" &&
      [Resource].flat().every((resource) => /\/\$default\/(GET|POST)\/(api\/sheets\/)?\*"/.test(text(resource))),
  },
  {
    why: "Whoever asks CloudWatch for one alarm by its name is answered from the list of all.",
    fits: ({ Action, Resource }) =>
      Action === "cloudwatch:DescribeAlarms" && /:cloudwatch:.*:alarm:\*/.test(text(Resource)),
  },
];

/** Actions that end in a star, and why. */
const actionsInOne = [
  // KMS: `GenerateDataKey` and `GenerateDataKeyWithoutPlaintext`, `ReEncryptFrom` and `ReEncryptTo`.
  "kms:GenerateDataKey*",
  "kms:ReEncrypt*",
];

describe.each(regions)("the templates for %s", (region) => {
  let made: Synthesized;
  let queues: Resource[];
  let functions: Resource[];
  beforeAll(async () => {
    made = await templatesFor(region);
    queues = made.of("AWS::SQS::Queue");
    functions = made.of("AWS::Lambda::Function");
  });

  describe("deploy in any partition", () => {
    it("and name none", () => {
      for (const template of made.texts) expect(template.match(/arn:aws(-us-gov|-cn)?:.{0,60}/g)).toBeNull();
    });

    it("and use nothing GovCloud lacks", () => {
      const types = [...new Set([...made.resources.values()].map(({ Type }) => Type))];

      expect(types.filter((type) => forbiddenTypes.some((forbidden) => type.startsWith(forbidden)))).toEqual([]);
      for (const { Properties } of made.of("AWS::Lambda::EventSourceMapping")) expect(Properties.Tags).toBeUndefined();
      for (const { Properties } of functions) expect(Properties.LoggingConfig).toBeUndefined();
    });
  });

  describe("lose nothing", () => {
    it("give every queue a dead-letter queue, but those that are one", () => {
      const without = queues.filter(({ Properties }) => !Properties.RedrivePolicy);
      const withOne = queues.filter(({ Properties }) => Properties.RedrivePolicy);

      for (const { Properties } of without)
        expect(Properties.QueueName).toMatch(/-(rule-dead|inbox-dead|ledger-dead|alerts-dead|outbox-.*\.fifo)$/);
      for (const { Properties } of withOne) expect(Properties.RedrivePolicy.maxReceiveCount).toBe(maxReceives);
      expect(withOne.length).toBeGreaterThan(1);
    });

    it("give every rule and every bus a dead-letter queue", () => {
      // A call by the clock is followed by the next, and has none.
      const onBus = made.of("AWS::Events::Rule").filter(({ Properties }) => Properties.EventPattern);
      expect(onBus).toHaveLength(2);
      for (const { Properties } of onBus) {
        for (const target of Properties.Targets)
          expect(text(target.DeadLetterConfig?.Arn)).toMatch(/-rule-dead|AlertsDeadLetters/);
      }
      for (const { Properties } of made.of("AWS::Events::EventBus")) {
        expect(text(Properties.DeadLetterConfig?.Arn)).toContain("-rule-dead");
      }
    });

    it("hide a message six times as long as a function may run, and keep it for 14 days", () => {
      const longest = Math.max(...functions.map(({ Properties }) => Properties.Timeout));

      expect(longest).toBe(30);
      for (const { Properties } of queues) {
        expect(Properties.VisibilityTimeout).toBeGreaterThanOrEqual(6 * longest);
        expect(Properties.MessageRetentionPeriod).toBe(14 * 86_400);
      }
    });

    it("keep the tables whatever happens to the stack, and can take them back to any second", () => {
      for (const table of made.of("AWS::DynamoDB::Table")) {
        expect(table.DeletionPolicy).toBe("Retain");
        expect(table.Properties.DeletionProtectionEnabled).toBe(true);
        expect(table.Properties.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled).toBe(true);
      }
    });

    it("keep the key, the bridge's own key, the logs, and the queues that may hold what no table holds yet", () => {
      const kept = (resource: Resource | undefined) => resource?.DeletionPolicy?.startsWith("Retain");

      for (const type of ["AWS::KMS::Key", "AWS::SecretsManager::Secret", "AWS::Logs::LogGroup"]) {
        for (const resource of made.of(type)) expect(kept(resource)).toBe(true);
      }
      const keptQueues = queues.filter(kept).map(({ Properties }) => Properties.QueueName);
      expect(keptQueues.sort()).toEqual(["hms-bridge-inbox", "hms-bridge-inbox-dead", "hms-bridge-rule-dead"]);
    });

    it("can be deleted and made again: what the path's stacks keep can be taken up by its name", () => {
      // CloudFormation adopts a log group, whose identifier is its name; it cannot adopt a queue, whose is its URL.
      // Source: AWS CloudFormation, "Import AWS resources into a CloudFormation stack automatically".
      const ofPath = made.texts
        .map((template) => JSON.parse(template) as { Description: string; Resources: Record<string, Resource> })
        .filter(({ Description }) => !Description.endsWith("what it keeps"))
        .flatMap(({ Resources }) => Object.values(Resources))
        .filter(({ DeletionPolicy }) => DeletionPolicy?.startsWith("Retain"));

      expect(new Set(ofPath.map(({ Type }) => Type))).toEqual(new Set(["AWS::Logs::LogGroup"]));
      for (const { Properties } of ofPath) expect(Properties.LogGroupName).toBeTypeOf("string");
    });
  });

  describe("encrypt", () => {
    it("everything at rest with the bridge's own key", () => {
      for (const [id, { Type, Properties }] of made.resources) {
        const key = keyOf[Type];
        if (!key) expect([id, keepsNothing.includes(Type) ? "keeps nothing" : Type]).toEqual([id, "keeps nothing"]);
        else expect([id, text(key(Properties))]).toEqual([id, expect.stringMatching(/"(Ref|Fn::GetAtt)".*key/i)]);
      }
    });

    it("everything on its way: queues and topics refuse whoever does not come by TLS", () => {
      const policies = [...made.of("AWS::SQS::QueuePolicy"), ...made.of("AWS::SNS::TopicPolicy")];

      expect(made.of("AWS::SQS::QueuePolicy")).toHaveLength(queues.length);
      expect(made.of("AWS::SNS::TopicPolicy")).toHaveLength(made.of("AWS::SNS::Topic").length);
      for (const policy of policies) {
        const denied = statementsOf(policy).filter(({ Effect }) => Effect === "Deny");
        expect(text(denied)).toContain('"aws:SecureTransport":"false"');
      }
    });
  });

  describe("allow no more than is needed", () => {
    it("let a service in only for this account, one rule or one bus", () => {
      const policies = [...made.of("AWS::SQS::QueuePolicy"), ...made.of("AWS::SNS::TopicPolicy")].flatMap(statementsOf);
      const key = made.of("AWS::KMS::Key").flatMap(({ Properties }) => Properties.KeyPolicy.Statement as Statement[]);

      for (const statement of [...policies, ...key]) {
        if (statement.Effect !== "Allow" || !text(statement.Principal).includes("Service")) continue;
        expect(text(statement.Condition)).toMatch(
          /aws:Source(Arn|Account)|kms:EncryptionContext:aws:((logs|events:event-bus):arn|sns:topicArn)/,
        );
      }
    });

    it("grant no role more than a named thing", () => {
      const statements = made.grants();

      for (const statement of statements) {
        const wide = [statement.Resource].flat().filter((resource) => /[*?]/.test(text(resource)));
        if (wide.length > 0 && !wideGrants.some(({ fits }) => fits(statement))) {
          expect.fail(`${text(statement.Action)} on ${text(wide)}`);
        }
        const starred = [statement.Action].flat().filter((action) => action.includes("*"));
        expect(starred.filter((action) => !actionsInOne.includes(action))).toEqual([]);
      }
      for (const { Properties } of made.of("AWS::IAM::Role")) expect(Properties.ManagedPolicyArns).toBeUndefined();
    });

    it("need every exception they have", () => {
      const statements = made.grants();

      for (const { why, fits } of wideGrants) {
        // No connector of the house has a secret, so only a lane with one would show it.
        if (why.startsWith("Secrets Manager")) continue;
        expect([why, statements.some(fits)]).toEqual([why, true]);
      }
    });

    it("leave nobody a way to change or remove a ledger entry", () => {
      const ledger = made.of("AWS::DynamoDB::Table").find(({ Properties }) => Properties.StreamSpecification);
      const [deny] = (ledger?.Properties.ResourcePolicy.PolicyDocument.Statement ?? []) as Statement[];
      const granted = made.grants().filter((statement) => text(statement.Resource).includes("ledgertable"));

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
      // Mapper, watchdog, operators and connectors: a probe writes no entry. Operators read them besides.
      const connectors = functions.filter(({ Properties }) => Properties.Description.startsWith("connectors/"));
      expect(granted).toHaveLength(3 + connectors.length);
      const reading = ["dynamodb:PartiQLInsert", "dynamodb:Query"];
      for (const { Action } of granted) expect(reading).toEqual(expect.arrayContaining([Action].flat()));
    });

    it("give every function a role and a log group of its own, kept for a year", () => {
      const groups = made.of("AWS::Logs::LogGroup");

      // And one for AppConfig, to see the alarms.
      expect(made.of("AWS::IAM::Role")).toHaveLength(functions.length + 1);
      expect(groups.map(({ Properties }) => Properties.LogGroupName).sort()).toEqual(
        // And who called the operator's API and the door.
        [
          ...functions.map(({ Properties }) => Properties.FunctionName),
          "hms-bridge-ops-access",
          "hms-bridge-inbound-access",
        ]
          .map((name) => `/aws/lambda/${name}`)
          .sort(),
      );
      for (const { Properties } of groups) expect(Properties.RetentionInDays).toBe(365);
    });
  });
});
