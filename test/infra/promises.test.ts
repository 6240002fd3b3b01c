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

/** Resource types that GovCloud lacks or that would prevent a deployment there. */
const forbiddenTypes = [
  "AWS::Events::ApiDestination",
  "AWS::Events::Connection",
  "AWS::Pipes::Pipe",
  "AWS::Scheduler::Schedule",
  "AWS::Scheduler::ScheduleGroup",
  "Custom::",
];

/** Encryption key of every resource type that stores data. A type that is in neither list fails the test. */
const keyOf: Readonly<Record<string, (properties: Resource["Properties"]) => unknown>> = {
  "AWS::AppConfig::ConfigurationProfile": (profile) => profile.KmsKeyIdentifier,
  "AWS::SQS::Queue": (queue) => queue.KmsMasterKeyId,
  "AWS::SNS::Topic": (topic) => topic.KmsMasterKeyId,
  "AWS::Logs::LogGroup": (group) => group.KmsKeyId,
  "AWS::SecretsManager::Secret": (secret) => secret.KmsKeyId,
  "AWS::Events::EventBus": (bus) => bus.KmsKeyIdentifier,
  "AWS::Events::Archive": (archive) => archive.KmsKeyIdentifier,
  "AWS::Lambda::Function": (lambda) => lambda.KmsKeyArn,
  "AWS::S3::Bucket": ({ BucketEncryption: encryption }) =>
    encryption?.ServerSideEncryptionConfiguration[0].ServerSideEncryptionByDefault.KMSMasterKeyID,
  "AWS::DynamoDB::Table": ({ SSESpecification: sse }) =>
    sse?.SSEEnabled && sse.SSEType === "KMS" ? sse.KMSMasterKeyId : undefined,
};

/** Resource types that store no data, or only names. */
const withoutData = [
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

/** Permissions on more than named resources, and why they cannot be narrower. */
const wideGrants: readonly { readonly why: string; readonly fits: (statement: Statement) => boolean }[] = [
  {
    why: "X-Ray supports no resource-level permissions. Source: Service Authorization Reference, AWS X-Ray.",
    fits: ({ Action, Resource }) =>
      Resource === "*" && [Action].flat().every((action) => action.startsWith("xray:Put")),
  },
  {
    why: "Objects under a prefix of the ledger's bucket: their names are not known in advance.",
    fits: ({ Action, Resource }) =>
      [Action].flat().every((action) => action === "s3:GetObject" || action === "s3:PutObject") &&
      [Resource]
        .flat()
        .every((resource) => /ledgerbucket.*"\/((entries|tampered|seals)\/\*|seal-key\.pem)"/.test(text(resource))),
  },
  {
    why: "Secrets Manager appends six random characters to a secret's ARN.",
    fits: ({ Action, Resource }) =>
      Action === "secretsmanager:GetSecretValue" &&
      // The statement may also name secrets by their full ARN, such as the bridge's own key.
      [Resource]
        .flat()
        .filter((resource) => /[*?]/.test(text(resource)))
        .every((resource) => /:secret:[\w-]+\/[\w@]+-\?{6}"/.test(text(resource))),
  },
  {
    why: "The webhook endpoint may read the signing secrets of all connectors.",
    fits: ({ Action, Resource }) =>
      Action === "secretsmanager:GetSecretValue" &&
      [Resource].flat().every((resource) => /:secret:[\w-]+\/\*\/inbound(-\?{6})?"/.test(text(resource))),
  },
  {
    why: "Permissions on API calls are by method and path, and a path may contain any packet id.",
    fits: ({ Action, Resource }) =>
      Action === "execute-api:Invoke" &&
      [Resource].flat().every((resource) => /\/\$default\/(GET|POST)\/(api\/sheets\/)?\*"/.test(text(resource))),
  },
  {
    why: "CloudWatch authorizes even a lookup by name against the list of alarms.",
    fits: ({ Action, Resource }) =>
      Action === "cloudwatch:DescribeAlarms" && /:cloudwatch:.*:alarm:\*/.test(text(Resource)),
  },
];

/** Allowed actions with a wildcard. */
const wildcardActions = [
  // KMS: `GenerateDataKey` and `GenerateDataKeyWithoutPlaintext`, `ReEncryptFrom` and `ReEncryptTo`.
  "kms:GenerateDataKey*",
  "kms:ReEncrypt*",
];

describe.each(regions)("templates for %s", (region) => {
  let templates: Synthesized;
  let queues: Resource[];
  let functions: Resource[];
  beforeAll(async () => {
    templates = await templatesFor(region);
    queues = templates.of("AWS::SQS::Queue");
    functions = templates.of("AWS::Lambda::Function");
  });

  describe("portability between partitions", () => {
    it("no template names a partition", () => {
      for (const template of templates.texts) expect(template.match(/arn:aws(-us-gov|-cn)?:.{0,60}/g)).toBeNull();
    });

    it("every template uses only features that GovCloud has", () => {
      const types = [...new Set([...templates.resources.values()].map(({ Type }) => Type))];

      expect(types.filter((type) => forbiddenTypes.some((forbidden) => type.startsWith(forbidden)))).toEqual([]);
      for (const { Properties } of templates.of("AWS::Lambda::EventSourceMapping"))
        expect(Properties.Tags).toBeUndefined();
      for (const { Properties } of functions) expect(Properties.LoggingConfig).toBeUndefined();
    });
  });

  describe("durability", () => {
    it("every queue has a dead-letter queue, except those that are one", () => {
      const without = queues.filter(({ Properties }) => !Properties.RedrivePolicy);
      const withOne = queues.filter(({ Properties }) => Properties.RedrivePolicy);

      for (const { Properties } of without)
        expect(Properties.QueueName).toMatch(/-(rule-dead|inbox-dead|ledger-dead|alerts-dead|outbox-.*\.fifo)$/);
      for (const { Properties } of withOne) expect(Properties.RedrivePolicy.maxReceiveCount).toBe(maxReceives);
      expect(withOne.length).toBeGreaterThan(1);
    });

    it("every rule for events and every bus has a dead-letter queue", () => {
      // A scheduled rule has none: a failed invocation is followed by the next.
      const onBus = templates.of("AWS::Events::Rule").filter(({ Properties }) => Properties.EventPattern);
      expect(onBus).toHaveLength(2);
      for (const { Properties } of onBus) {
        for (const target of Properties.Targets)
          expect(text(target.DeadLetterConfig?.Arn)).toMatch(/-rule-dead|AlertsDeadLetters/);
      }
      for (const { Properties } of templates.of("AWS::Events::EventBus")) {
        expect(text(Properties.DeadLetterConfig?.Arn)).toContain("-rule-dead");
      }
    });

    it("every queue hides messages for six function timeouts and retains them for 14 days", () => {
      const longest = Math.max(...functions.map(({ Properties }) => Properties.Timeout));

      expect(longest).toBe(30);
      for (const { Properties } of queues) {
        expect(Properties.VisibilityTimeout).toBeGreaterThanOrEqual(6 * longest);
        expect(Properties.MessageRetentionPeriod).toBe(14 * 86_400);
      }
    });

    it("the tables are retained when the stack is deleted and have point-in-time recovery", () => {
      for (const table of templates.of("AWS::DynamoDB::Table")) {
        expect(table.DeletionPolicy).toBe("Retain");
        expect(table.Properties.DeletionProtectionEnabled).toBe(true);
        expect(table.Properties.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled).toBe(true);
      }
    });

    it("the keys, the logs, and the queues with unrecorded events are retained when a stack is deleted", () => {
      const kept = (resource: Resource | undefined) => resource?.DeletionPolicy?.startsWith("Retain");

      for (const type of ["AWS::KMS::Key", "AWS::SecretsManager::Secret", "AWS::Logs::LogGroup"]) {
        for (const resource of templates.of(type)) expect(kept(resource)).toBe(true);
      }
      const keptQueues = queues.filter(kept).map(({ Properties }) => Properties.QueueName);
      expect(keptQueues.sort()).toEqual(["hms-bridge-inbox", "hms-bridge-inbox-dead", "hms-bridge-rule-dead"]);
    });

    it("the path stack can be deleted and created again, because it retains only log groups, which are adopted by name", () => {
      // CloudFormation adopts a log group, whose identifier is its name; it cannot adopt a queue, whose is its URL.
      // Source: AWS CloudFormation, "Import AWS resources into a CloudFormation stack automatically".
      const ofPath = templates.texts
        .map((template) => JSON.parse(template) as { Description: string; Resources: Record<string, Resource> })
        .filter(({ Description }) => !Description.startsWith("HMS Sync Bridge: tables, keys,"))
        .flatMap(({ Resources }) => Object.values(Resources))
        .filter(({ DeletionPolicy }) => DeletionPolicy?.startsWith("Retain"));

      expect(new Set(ofPath.map(({ Type }) => Type))).toEqual(new Set(["AWS::Logs::LogGroup"]));
      for (const { Properties } of ofPath) expect(Properties.LogGroupName).toBeTypeOf("string");
    });
  });

  describe("encryption", () => {
    it("all data at rest is encrypted with the bridge's own key", () => {
      for (const [id, { Type, Properties }] of templates.resources) {
        const key = keyOf[Type];
        if (!key) expect([id, withoutData.includes(Type) ? "stores no data" : Type]).toEqual([id, "stores no data"]);
        else expect([id, text(key(Properties))]).toEqual([id, expect.stringMatching(/"(Ref|Fn::GetAtt)".*key/i)]);
      }
    });

    it("queues and topics deny access without TLS", () => {
      const policies = [...templates.of("AWS::SQS::QueuePolicy"), ...templates.of("AWS::SNS::TopicPolicy")];

      expect(templates.of("AWS::SQS::QueuePolicy")).toHaveLength(queues.length);
      expect(templates.of("AWS::SNS::TopicPolicy")).toHaveLength(templates.of("AWS::SNS::Topic").length);
      for (const policy of policies) {
        const denied = statementsOf(policy).filter(({ Effect }) => Effect === "Deny");
        expect(text(denied)).toContain('"aws:SecureTransport":"false"');
      }
    });
  });

  describe("least privilege", () => {
    it("resource policies admit a service only for this account, one rule or one bus", () => {
      const policies = [...templates.of("AWS::SQS::QueuePolicy"), ...templates.of("AWS::SNS::TopicPolicy")].flatMap(
        statementsOf,
      );
      const key = templates
        .of("AWS::KMS::Key")
        .flatMap(({ Properties }) => Properties.KeyPolicy.Statement as Statement[]);

      for (const statement of [...policies, ...key]) {
        if (statement.Effect !== "Allow" || !text(statement.Principal).includes("Service")) continue;
        expect(text(statement.Condition)).toMatch(
          /aws:Source(Arn|Account)|kms:EncryptionContext:aws:((logs|events:event-bus):arn|sns:topicArn)/,
        );
      }
    });

    it("roles have permissions only on named resources, apart from documented exceptions", () => {
      const statements = templates.grants();

      for (const statement of statements) {
        const wide = [statement.Resource].flat().filter((resource) => /[*?]/.test(text(resource)));
        if (wide.length > 0 && !wideGrants.some(({ fits }) => fits(statement))) {
          expect.fail(`${text(statement.Action)} on ${text(wide)}`);
        }
        const starred = [statement.Action].flat().filter((action) => action.includes("*"));
        expect(starred.filter((action) => !wildcardActions.includes(action))).toEqual([]);
      }
      for (const { Properties } of templates.of("AWS::IAM::Role")) expect(Properties.ManagedPolicyArns).toBeUndefined();
    });

    it("every documented exception is needed", () => {
      const statements = templates.grants();

      for (const { why, fits } of wideGrants) {
        // No built-in connector has a secret, so no lane has this permission.
        if (why.startsWith("Secrets Manager")) continue;
        expect([why, statements.some(fits)]).toEqual([why, true]);
      }
    });

    it("no role can change or delete a ledger entry", () => {
      const ledger = templates.of("AWS::DynamoDB::Table").find(({ Properties }) => Properties.StreamSpecification);
      const [deny] = (ledger?.Properties.ResourcePolicy.PolicyDocument.Statement ?? []) as Statement[];
      const granted = templates.grants().filter((statement) => text(statement.Resource).includes("ledgertable"));

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
      // Mapper, watchdog, operator API and connectors write entries; a probe does not. The operator API also reads them.
      const connectors = functions.filter(({ Properties }) => Properties.Description.startsWith("connectors/"));
      expect(granted).toHaveLength(3 + connectors.length);
      const reading = ["dynamodb:PartiQLInsert", "dynamodb:Query"];
      for (const { Action } of granted) expect(reading).toEqual(expect.arrayContaining([Action].flat()));
    });

    it("every function has its own role and log group, with a retention of a year", () => {
      const groups = templates.of("AWS::Logs::LogGroup");

      // One more role lets AppConfig read the alarms.
      expect(templates.of("AWS::IAM::Role")).toHaveLength(functions.length + 1);
      expect(groups.map(({ Properties }) => Properties.LogGroupName).sort()).toEqual(
        // Two more log groups are the access logs of the operator API and the webhook endpoint.
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
