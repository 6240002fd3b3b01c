import { Aws, RemovalPolicy, Stack, type StackProps } from "aws-cdk-lib";
import {
  AttributeType,
  BillingMode,
  ProjectionType,
  StreamViewType,
  Table,
  TableEncryption,
} from "aws-cdk-lib/aws-dynamodb";
import { AnyPrincipal, Effect, PolicyDocument, PolicyStatement, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { Key, KeySpec, KeyUsage } from "aws-cdk-lib/aws-kms";
import { Secret } from "aws-cdk-lib/aws-secretsmanager";
import { StringParameter } from "aws-cdk-lib/aws-ssm";
import type { Construct } from "constructs";
import { alertTopicOf, packetIndexes, parameterOf } from "../platform/aws/names.ts";
import { busNameOf, Inbox } from "./inbox.ts";
import { ledgerBucket } from "./ledger-bucket.ts";
import type { Settings } from "./settings.ts";

/**
 * Resources that must outlive every deployment: the key, the packets, the ledger with its copies and what signs their seals, the
 * bridge's own key, and events nobody has recorded yet.
 *
 * All of it is kept when the stack is deleted. The path stack finds it by Parameter Store.
 */
export class StateStack extends Stack {
  constructor(scope: Construct, id: string, { settings, ...props }: StackProps & { readonly settings: Settings }) {
    super(scope, id, { description: "HMS Sync Bridge: what it keeps", ...props });
    const { name: deployment } = settings;
    const key = customerKey(this, settings);
    new Inbox(this, "Inbox", { key, settings });
    const kept = {
      billingMode: BillingMode.PAY_PER_REQUEST,
      encryption: TableEncryption.CUSTOMER_MANAGED,
      encryptionKey: key,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: true,
      removalPolicy: RemovalPolicy.RETAIN,
    };

    const packets = new Table(this, "Packets", {
      ...kept,
      partitionKey: { name: "pk", type: AttributeType.STRING },
      sortKey: { name: "sk", type: AttributeType.STRING },
    });
    for (const [indexName, attribute] of [
      [packetIndexes.byTime, "time"],
      [packetIndexes.waiting, "waiting"],
    ] as const) {
      packets.addGlobalSecondaryIndex({
        indexName,
        partitionKey: { name: `${attribute}Shard`, type: AttributeType.STRING },
        sortKey: { name: `${attribute}At`, type: AttributeType.STRING },
        // A reader fetches what it found from the table: consistent, and an update of a packet costs no index write.
        projectionType: ProjectionType.KEYS_ONLY,
      });
    }

    const ledger = new Table(this, "Ledger", {
      ...kept,
      partitionKey: { name: "pk", type: AttributeType.STRING },
      sortKey: { name: "sk", type: AttributeType.NUMBER },
      stream: StreamViewType.NEW_AND_OLD_IMAGES,
      resourcePolicy: appendOnly(),
    });

    const bridgeKey = new Secret(this, "BridgeKey", {
      description: "Hides entities and values in the bridge's hashes. Lost or changed, no shadow is known again.",
      encryptionKey: key,
      generateSecretString: { passwordLength: 64, excludePunctuation: true },
      removalPolicy: RemovalPolicy.RETAIN,
    });

    const copies = ledgerBucket(this, key, settings);
    const sealKey = new Key(this, "SealKey", {
      description: `HMS Sync Bridge ${deployment}: signs the ledger's seals`,
      alias: `alias/${deployment}-seals`,
      keySpec: KeySpec.ECC_NIST_P256,
      keyUsage: KeyUsage.SIGN_VERIFY,
      removalPolicy: RemovalPolicy.RETAIN,
    });

    for (const [what, stringValue] of [
      ["packets-table", packets.tableName],
      ["ledger-table", ledger.tableName],
      ["ledger-stream", ledger.tableStreamArn as string],
      ["ledger-bucket", copies.bucketName],
      ["seal-key", sealKey.keyArn],
      ["key", key.keyArn],
      ["bridge-key", bridgeKey.secretArn],
    ] as const) {
      new StringParameter(this, `Parameter-${what}`, { parameterName: parameterOf(deployment, what), stringValue });
    }
  }
}

/**
 * The one key for everything at rest.
 *
 * The services that use it on nobody's behalf are in its policy from the start, each held to this account; functions
 * get it by their own roles.
 */
function customerKey(scope: Construct, settings: Settings): Key {
  const { name: deployment, archiveDays } = settings;
  const key = new Key(scope, "Key", {
    description: `HMS Sync Bridge ${deployment}: everything it keeps`,
    alias: `alias/${deployment}`,
    enableKeyRotation: true,
    removalPolicy: RemovalPolicy.RETAIN,
  });
  const allow = (sid: string, service: string, actions: string[], conditions: Record<string, unknown>) =>
    key.addToResourcePolicy(
      new PolicyStatement({ sid, principals: [new ServicePrincipal(service)], actions, resources: ["*"], conditions }),
    );
  const ofThisAccount = { StringEquals: { "aws:SourceAccount": Aws.ACCOUNT_ID } };
  allow(
    "BusAndRules",
    "events.amazonaws.com",
    ["kms:DescribeKey", "kms:GenerateDataKey", "kms:Decrypt"],
    ofThisAccount,
  );
  if (archiveDays > 0) {
    // An archive re-encrypts what the bus hands it, and says for which bus.
    const bus = `arn:${Aws.PARTITION}:events:${Aws.REGION}:${Aws.ACCOUNT_ID}:event-bus/${busNameOf(settings)}`;
    allow("Archive", "events.amazonaws.com", ["kms:GenerateDataKey", "kms:Decrypt", "kms:ReEncrypt*"], {
      StringEquals: { "kms:EncryptionContext:aws:events:event-bus:arn": bus },
    });
  }
  // SNS hands EventBridge's use of the key on without saying for whom; the topic it says. Source: Amazon SNS Developer
  // Guide, "Key management": `aws:SourceAccount` and `aws:SourceArn` are not supported for topics EventBridge publishes to.
  const alerts = `arn:${Aws.PARTITION}:sns:${Aws.REGION}:${Aws.ACCOUNT_ID}:${alertTopicOf(deployment)}`;
  allow("Alerts", "events.amazonaws.com", ["kms:GenerateDataKey", "kms:Decrypt"], {
    StringEquals: { "kms:EncryptionContext:aws:sns:topicArn": alerts },
  });
  allow("Alarms", "cloudwatch.amazonaws.com", ["kms:GenerateDataKey", "kms:Decrypt"], ofThisAccount);
  const groups = `arn:${Aws.PARTITION}:logs:${Aws.REGION}:${Aws.ACCOUNT_ID}:log-group:/aws/lambda/${deployment}-*`;
  allow(
    "Logs",
    `logs.${Aws.REGION}.amazonaws.com`,
    ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
    { ArnLike: { "kms:EncryptionContext:aws:logs:arn": groups } },
  );
  return key;
}

/**
 * Nobody changes or removes an entry, whatever a role allows: of all writes only PartiQL's INSERT is left, which fails
 * where the entry is there already. A plain put would overwrite it.
 */
function appendOnly(): PolicyDocument {
  return new PolicyDocument({
    statements: [
      new PolicyStatement({
        sid: "AppendOnly",
        effect: Effect.DENY,
        principals: [new AnyPrincipal()],
        actions: [
          "dynamodb:PutItem",
          "dynamodb:UpdateItem",
          "dynamodb:DeleteItem",
          "dynamodb:BatchWriteItem",
          "dynamodb:PartiQLUpdate",
          "dynamodb:PartiQLDelete",
        ],
        // In a table's own policy: this table.
        resources: ["*"],
      }),
    ],
  });
}
