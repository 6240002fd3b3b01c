import { beforeAll, describe, expect, it } from "vitest";
import { type Resource, type Synthesized, synthesize, templatesFor } from "./templates.ts";

interface Statement {
  readonly Sid?: string;
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Principal?: unknown;
  readonly Condition?: Record<string, Record<string, unknown>>;
}

const statementsOf = ({ Properties }: Resource): Statement[] => Properties.PolicyDocument.Statement;
const text = (value: unknown): string => JSON.stringify(value);

describe.each(["us-east-1", "us-gov-west-1"])("ledger protection in %s", (region) => {
  let templates: Synthesized;
  let bucket: Resource;
  let policy: Statement[];
  beforeAll(async () => {
    templates = await templatesFor(region);
    bucket = templates.of("AWS::S3::Bucket")[0] as Resource;
    policy = statementsOf(templates.of("AWS::S3::BucketPolicy")[0] as Resource);
  });

  it("locks one bucket for seven years in compliance mode and retains it if the stack is deleted", () => {
    expect(templates.of("AWS::S3::Bucket")).toHaveLength(1);
    expect(bucket.DeletionPolicy).toBe("Retain");
    expect(bucket.Properties).toMatchObject({
      ObjectLockEnabled: true,
      ObjectLockConfiguration: {
        ObjectLockEnabled: "Enabled",
        Rule: { DefaultRetention: { Mode: "COMPLIANCE", Days: 2_557 } },
      },
      VersioningConfiguration: { Status: "Enabled" },
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      OwnershipControls: { Rules: [{ ObjectOwnership: "BucketOwnerEnforced" }] },
    });
    expect(bucket.Properties.LifecycleConfiguration).toBeUndefined();
  });

  it("encrypts the bucket with the bridge's own key", () => {
    const [rule] = bucket.Properties.BucketEncryption.ServerSideEncryptionConfiguration;

    expect(rule.ServerSideEncryptionByDefault.SSEAlgorithm).toBe("aws:kms");
    expect(text(rule.ServerSideEncryptionByDefault.KMSMasterKeyID)).toMatch(/"Fn::GetAtt":\["Key/);
    expect(rule.BucketKeyEnabled).toBe(true);
  });

  it("denies everyone overwriting or deleting objects, and access without TLS", () => {
    const denied = policy.filter(({ Effect }) => Effect === "Deny");

    expect(denied).toHaveLength(policy.length);
    for (const { Principal } of denied) expect(Principal).toEqual({ AWS: "*" });
    expect(text(denied)).toContain('"aws:SecureTransport":"false"');
    const denialOf = (action: string) => denied.find(({ Action }) => [Action].flat().includes(action));
    for (const action of [
      "s3:DeleteObject",
      "s3:DeleteObjectVersion",
      "s3:BypassGovernanceRetention",
      "s3:PutObjectRetention",
      "s3:DeleteBucket",
      "s3:PutLifecycleConfiguration",
    ]) {
      expect([action, denialOf(action)?.Condition]).toEqual([action, undefined]);
      expect(denialOf(action)).toBeDefined();
    }
    expect(denialOf("s3:PutObject")?.Condition).toEqual({
      Null: { "s3:if-none-match": "true" },
      Bool: { "s3:ObjectCreationOperation": "true" },
    });
  });

  it("signs with a retained key for signatures only, on the widely supported curve P-256", () => {
    const key = templates.of("AWS::KMS::Key").find(({ Properties }) => Properties.KeySpec);

    expect(key?.Properties).toMatchObject({ KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" });
    expect(key?.DeletionPolicy).toBe("Retain");
  });

  it("lets the copy function only read the stream, put copies and raise alerts", () => {
    expect(actionsOf("ledger-copy")).toEqual([
      ...commonActions,
      "dynamodb:DescribeStream",
      "dynamodb:GetRecords",
      "dynamodb:GetShardIterator",
      "dynamodb:ListStreams",
      "events:PutEvents",
      "s3:PutObject entries/ tampered/",
      "sqs:SendMessage",
    ]);
  });

  it("lets the seal function only read copies, put seals and sign", () => {
    expect(actionsOf("ledger-seal")).toEqual([
      ...commonActions,
      "kms:GetPublicKey",
      "kms:Sign",
      "s3:GetObject entries/ seals/",
      "s3:ListBucket",
      "s3:PutObject seal-key.pem seals/",
    ]);
  });

  it("copies from the first entry and retries a batch until shortly before the stream drops it", () => {
    const [stream] = templates
      .of("AWS::Lambda::EventSourceMapping")
      .filter(({ Properties }) => Properties.StartingPosition);

    expect(stream?.Properties).toMatchObject({
      StartingPosition: "TRIM_HORIZON",
      BatchSize: 1_000,
      MaximumRecordAgeInSeconds: 23 * 3_600,
      DestinationConfig: { OnFailure: { Destination: expect.anything() } },
    });
    expect(stream?.Properties.MaximumRetryAttempts).toBeUndefined();
    expect(stream?.Properties.FilterCriteria).toBeUndefined();
  });

  it("seals every five minutes and has alarms for missing seals, late copies and tampering", () => {
    const rules = templates.of("AWS::Events::Rule").map(({ Properties }) => Properties.ScheduleExpression);
    const alarms = templates.of("AWS::CloudWatch::Alarm").map(({ Properties }) => Properties);

    expect(rules.filter((rate) => rate === "rate(5 minutes)")).toHaveLength(1);
    expect(alarms.find(({ MetricName }) => MetricName === "LedgerTampered")).toMatchObject({
      Threshold: 1,
      EvaluationPeriods: 1,
      Period: 60,
      Dimensions: [{ Name: "service", Value: "hms-bridge" }],
    });
    expect(alarms.find(({ MetricName }) => MetricName === "IteratorAge")).toMatchObject({ Threshold: 600_000 });
    expect(alarms.find(({ MetricName }) => MetricName === "EntriesSealed")).toMatchObject({
      ComparisonOperator: "LessThanThreshold",
      Statistic: "SampleCount",
      TreatMissingData: "breaching",
      EvaluationPeriods: 3,
    });
  });

  /** Actions of every function: logs, traces and use of the bridge's key. */
  const commonActions = [
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
  ];

  /** Returns the actions of a function's role, the common ones first. Actions on S3 list the prefixes they apply to. */
  function actionsOf(name: string): string[] {
    const lambda = templates
      .of("AWS::Lambda::Function")
      .find(({ Properties }) => Properties.FunctionName.endsWith(name));
    const role = lambda?.Properties.Role["Fn::GetAtt"][0] as string;
    const policies = templates.of("AWS::IAM::Policy").filter(({ Properties }) => text(Properties.Roles).includes(role));
    return policies
      .flatMap(statementsOf)
      .flatMap(({ Action, Resource }) => {
        const prefixes = text(Resource).match(/"\/(entries|tampered|seals|seal-key)[/.]/g) ?? [];
        const names = prefixes.map((prefix) => prefix.slice(2).replace("seal-key.", "seal-key.pem"));
        return [Action].flat().map((action) => [action, ...names].join(" "));
      })
      .sort((a, b) => Number(commonActions.includes(b)) - Number(commonActions.includes(a)) || (a < b ? -1 : 1));
  }
});

describe("ledger settings", () => {
  it("a trial deployment can use governance mode and a short retention", async () => {
    const templates = await synthesize("us-east-1", { ledgerLock: "GOVERNANCE", ledgerRetentionDays: 1 });
    const [bucket] = templates.of("AWS::S3::Bucket");

    expect(bucket?.Properties.ObjectLockConfiguration.Rule.DefaultRetention).toEqual({ Mode: "GOVERNANCE", Days: 1 });
  });

  it.each([
    ["ledgerLock", "NONE"],
    ["ledgerRetentionDays", 0],
  ])("the synthesis fails if %s is %s", async (key, value) => {
    await expect(synthesize("us-east-1", { [key]: value })).rejects.toThrow(`the CDK context, ${key}: `);
  });
});
