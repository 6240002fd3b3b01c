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
 * Resources that must outlive every deployment: the encryption key, the packets table, the ledger with its copies and
 * signing key, the bridge's own key, and the queues with events that are not recorded yet.
 *
 * All of them are retained when the stack is deleted. The path stack finds them through Parameter Store.
 */
export class StateStack extends Stack {
  constructor(scope: Construct, id: string, { settings, ...props }: StackProps & { readonly settings: Settings }) {
    super(scope, id, { description: "HMS Sync Bridge: tables, keys, queues and the ledger bucket", ...props });
    const { name: deployment } = settings;
    const key = customerKey(this, settings);
    new Inbox(this, "Inbox", { key, settings });
    const tableDefaults = {
      billingMode: BillingMode.PAY_PER_REQUEST,
      encryption: TableEncryption.CUSTOMER_MANAGED,
      encryptionKey: key,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: true,
      removalPolicy: RemovalPolicy.RETAIN,
    };

    const packets = new Table(this, "Packets", {
      ...tableDefaults,
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
        // Readers fetch the items from the table, which is consistent. An update of a packet then costs no index write.
        projectionType: ProjectionType.KEYS_ONLY,
      });
    }

    const ledger = new Table(this, "Ledger", {
      ...tableDefaults,
      partitionKey: { name: "pk", type: AttributeType.STRING },
      sortKey: { name: "sk", type: AttributeType.NUMBER },
      stream: StreamViewType.NEW_AND_OLD_IMAGES,
      resourcePolicy: appendOnly(),
    });

    const bridgeKey = new Secret(this, "BridgeKey", {
      description:
        "Key for hashing entities and values. If it is lost or changed, existing shadows can no longer be found.",
      encryptionKey: key,
      generateSecretString: { passwordLength: 64, excludePunctuation: true },
      removalPolicy: RemovalPolicy.RETAIN,
    });

    const bucket = ledgerBucket(this, key, settings);
    const sealKey = new Key(this, "SealKey", {
      description: `HMS Sync Bridge ${deployment}: signs the ledger's seals`,
      alias: `alias/${deployment}-seals`,
      keySpec: KeySpec.ECC_NIST_P256,
      keyUsage: KeyUsage.SIGN_VERIFY,
      removalPolicy: RemovalPolicy.RETAIN,
    });

    for (const [name, stringValue] of [
      ["packets-table", packets.tableName],
      ["ledger-table", ledger.tableName],
      ["ledger-stream", ledger.tableStreamArn as string],
      ["ledger-bucket", bucket.bucketName],
      ["seal-key", sealKey.keyArn],
      ["key", key.keyArn],
      ["bridge-key", bridgeKey.secretArn],
    ] as const) {
      new StringParameter(this, `Parameter-${name}`, { parameterName: parameterOf(deployment, name), stringValue });
    }
  }
}

/**
 * Creates the key that encrypts all data at rest.
 *
 * Its policy lists the services that use the key by themselves, each restricted to this account. Functions use it with
 * their own roles.
 */
function customerKey(scope: Construct, settings: Settings): Key {
  const { name: deployment, archiveDays } = settings;
  const key = new Key(scope, "Key", {
    description: `HMS Sync Bridge ${deployment}: all data at rest`,
    alias: `alias/${deployment}`,
    enableKeyRotation: true,
    removalPolicy: RemovalPolicy.RETAIN,
  });
  const allow = (sid: string, service: string, actions: string[], conditions: Record<string, unknown>) =>
    key.addToResourcePolicy(
      new PolicyStatement({ sid, principals: [new ServicePrincipal(service)], actions, resources: ["*"], conditions }),
    );
  const inThisAccount = { StringEquals: { "aws:SourceAccount": Aws.ACCOUNT_ID } };
  allow(
    "BusAndRules",
    "events.amazonaws.com",
    ["kms:DescribeKey", "kms:GenerateDataKey", "kms:Decrypt"],
    inThisAccount,
  );
  if (archiveDays > 0) {
    // An archive re-encrypts the events of a bus, with the bus in the encryption context.
    const bus = `arn:${Aws.PARTITION}:events:${Aws.REGION}:${Aws.ACCOUNT_ID}:event-bus/${busNameOf(settings)}`;
    allow("Archive", "events.amazonaws.com", ["kms:GenerateDataKey", "kms:Decrypt", "kms:ReEncrypt*"], {
      StringEquals: { "kms:EncryptionContext:aws:events:event-bus:arn": bus },
    });
  }
  // Restricted by topic, because SNS passes on no account for EventBridge. Source: Amazon SNS Developer Guide, "Key
  // management": `aws:SourceAccount` and `aws:SourceArn` are not supported for topics that EventBridge publishes to.
  const alerts = `arn:${Aws.PARTITION}:sns:${Aws.REGION}:${Aws.ACCOUNT_ID}:${alertTopicOf(deployment)}`;
  allow("Alerts", "events.amazonaws.com", ["kms:GenerateDataKey", "kms:Decrypt"], {
    StringEquals: { "kms:EncryptionContext:aws:sns:topicArn": alerts },
  });
  allow("Alarms", "cloudwatch.amazonaws.com", ["kms:GenerateDataKey", "kms:Decrypt"], inThisAccount);
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
 * Returns a table policy that prevents changes and deletions of entries, whatever a role allows. It leaves only
 * PartiQL's INSERT, which fails if the entry already exists; a put would overwrite it.
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
        // In a resource policy, `*` is this table.
        resources: ["*"],
      }),
    ],
  });
}
