import { randomUUID } from "node:crypto";
import { CreateTableCommand, DeleteTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { CreateSecretCommand, DeleteSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { describe } from "vitest";
import { AwsFiles } from "../../platform/aws/files.ts";
import { packetIndexes, secretNameOf } from "../../platform/aws/names.ts";
import { AwsSecrets } from "../../platform/aws/secrets.ts";
import { AwsStore } from "../../platform/aws/store.ts";
import { type FilesFixture, filesContract } from "../contract/files-contract.ts";
import { type SecretsFixture, secretsContract } from "../contract/secrets-contract.ts";
import { type StoreFixture, storeContract } from "../contract/store-contract.ts";

/**
 * The engine's ports against an AWS emulator: `BRIDGE_AWS_ENDPOINT=http://127.0.0.1:4566 npx vitest run test/aws`.
 *
 * Left out where there is none.
 */
const endpoint = process.env.BRIDGE_AWS_ENDPOINT;

const client = {
  region: "us-gov-west-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
  ...(endpoint && { endpoint }),
};

/** Tables as the state stack makes them. */
async function aStore(): Promise<StoreFixture> {
  const dynamo = new DynamoDBClient(client);
  const [packetsTable, ledgerTable] = [`packets-${randomUUID()}`, `ledger-${randomUUID()}`];
  const key = (hash: string, range: string) => [
    { AttributeName: hash, KeyType: "HASH" as const },
    { AttributeName: range, KeyType: "RANGE" as const },
  ];
  const index = (IndexName: string, attribute: string) => ({
    IndexName,
    KeySchema: key(`${attribute}Shard`, `${attribute}At`),
    Projection: { ProjectionType: "KEYS_ONLY" as const },
  });
  const texts = ["pk", "sk", "timeShard", "timeAt", "waitingShard", "waitingAt"];
  await dynamo.send(
    new CreateTableCommand({
      TableName: packetsTable,
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: key("pk", "sk"),
      AttributeDefinitions: texts.map((AttributeName) => ({ AttributeName, AttributeType: "S" })),
      GlobalSecondaryIndexes: [index(packetIndexes.byTime, "time"), index(packetIndexes.waiting, "waiting")],
    }),
  );
  await dynamo.send(
    new CreateTableCommand({
      TableName: ledgerTable,
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: key("pk", "sk"),
      AttributeDefinitions: [
        { AttributeName: "pk", AttributeType: "S" },
        { AttributeName: "sk", AttributeType: "N" },
      ],
    }),
  );
  return {
    port: new AwsStore({
      client: DynamoDBDocumentClient.from(dynamo),
      packetsTable,
      ledgerTable,
      // A minute ahead, so that the store takes for settled what was written just now.
      clock: { now: () => Date.now() + 60_000, sleep: async () => {} },
    }),
    async [Symbol.asyncDispose]() {
      for (const TableName of [packetsTable, ledgerTable]) await dynamo.send(new DeleteTableCommand({ TableName }));
      dynamo.destroy();
    },
  };
}

async function someSecrets(): Promise<SecretsFixture> {
  const manager = new SecretsManagerClient(client);
  const deployment = `test-${randomUUID()}`;
  const remove = (SecretId: string) =>
    manager.send(new DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true }));
  const stored = new Set<string>();
  return {
    port: new AwsSecrets(manager, deployment),
    async store(connector, secret) {
      const name = secretNameOf(deployment, connector);
      if (stored.delete(name)) await remove(name);
      if (!secret) return;
      await manager.send(new CreateSecretCommand({ Name: name, SecretString: JSON.stringify(secret) }));
      stored.add(name);
    },
    async [Symbol.asyncDispose]() {
      for (const name of stored) await remove(name);
      manager.destroy();
    },
  };
}

async function someFiles(versioned: boolean): Promise<FilesFixture> {
  const s3 = new S3Client({ ...client, forcePathStyle: true });
  const Bucket = `rosters-${randomUUID()}`;
  await s3.send(new CreateBucketCommand({ Bucket }));
  if (versioned) {
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }));
  }
  return {
    port: new AwsFiles({ client: s3, places: [`s3://${Bucket}/in/`] }),
    address: (name) => `s3://${Bucket}/${name}`,
    keepsVersions: versioned,
    async store(name, text) {
      const object = { Bucket, Key: name };
      await s3.send(
        text === undefined ? new DeleteObjectCommand(object) : new PutObjectCommand({ ...object, Body: text }),
      );
    },
    async [Symbol.asyncDispose]() {
      s3.destroy();
    },
  };
}

describe.skipIf(!endpoint)("the engine on AWS", () => {
  storeContract("AWS", aStore);
  secretsContract("AWS", someSecrets);
  filesContract("a bucket with versions", () => someFiles(true));
  filesContract("a bucket without versions", () => someFiles(false));
});
