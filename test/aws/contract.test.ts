import { randomUUID } from "node:crypto";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { CreateSecretCommand, DeleteSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { CreateQueueCommand, SQSClient } from "@aws-sdk/client-sqs";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, describe } from "vitest";
import { maxReceives, type QueueName } from "../../bridge/ports/queue.ts";
import { AwsFiles } from "../../platform/aws/files.ts";
import { queueNameOf, secretNameOf } from "../../platform/aws/names.ts";
import { AwsQueue } from "../../platform/aws/queue.ts";
import { AwsSecrets } from "../../platform/aws/secrets.ts";
import { AwsStore } from "../../platform/aws/store.ts";
import { systemClock } from "../../platform/clock.ts";
import { type FilesFixture, filesContract } from "../contract/files-contract.ts";
import { type QueueFixture, queueContract } from "../contract/queue-contract.ts";
import { type SecretsFixture, secretsContract } from "../contract/secrets-contract.ts";
import { type StoreFixture, storeContract } from "../contract/store-contract.ts";
import { account, type Emulator, region, rootCredentials, startEmulator } from "./emulator/emulator.ts";
import { type Gateway, openGateway } from "./emulator/gateway.ts";
import { createTables } from "./tables.ts";

/**
 * Runs the contract suites of the engine's ports against an AWS emulator whose clock the tests advance. The emulator
 * checks no signatures here, because they expire after 15 min.
 */
const connectors = ["Fake@v1", "Other@v1"];

let gateway: Gateway;
let emulator: Emulator;
/** Offset of the emulator's clock to this machine's, in ms. */
let aheadMs = 0;

beforeAll(async () => {
  gateway = await openGateway(() => Date.now() + aheadMs);
  emulator = await startEmulator({ auth: false, functionsEndpoint: gateway.url });
  gateway.emulatorPort = emulator.port;
});

afterAll(async () => {
  await emulator?.[Symbol.asyncDispose]();
  await gateway?.[Symbol.asyncDispose]();
});

function client() {
  return { region, credentials: rootCredentials, endpoint: gateway.url };
}

/** Time for pending requests to arrive before the clock advances. */
const arrivalMs = 50;

/** Creates the queues of a deployment like the path and lane stacks. */
async function someQueues(): Promise<QueueFixture> {
  const sqs = new SQSClient({ ...client(), useQueueUrlAsEndpoint: false });
  const deployment = `test-${randomUUID().slice(0, 8)}`;
  const queuesArn = `arn:aws:sqs:${region}:${account}:`;
  const make = async (queue: QueueName, dead?: QueueName) => {
    const fifo = queue.includes(":");
    const deadLetterTargetArn = dead && `${queuesArn}${queueNameOf(deployment, dead)}`;
    await sqs.send(
      new CreateQueueCommand({
        QueueName: queueNameOf(deployment, queue),
        Attributes: {
          ...(fifo && { FifoQueue: "true", DeduplicationScope: "messageGroup" }),
          ...(fifo && { FifoThroughputLimit: "perMessageGroupId" }),
          ...(dead && { RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: maxReceives }) }),
        },
      }),
    );
  };
  await make("inbox-dead");
  await make("inbox", "inbox-dead");
  for (const connector of connectors) {
    await make(`outbox:${connector}`);
    await make(`lane:${connector}`, `outbox:${connector}`);
  }
  return {
    port: new AwsQueue({
      client: sqs,
      clock: systemClock(),
      deployment,
      queuesUrl: `${gateway.url}/${account}/`,
      queuesArn,
    }),
    async advance(ms) {
      await new Promise((resolve) => setTimeout(resolve, arrivalMs));
      await emulator.advance(ms);
      aheadMs += ms;
    },
    async [Symbol.asyncDispose]() {
      sqs.destroy();
    },
  };
}

async function aStore(): Promise<StoreFixture> {
  const dynamo = new DynamoDBClient(client());
  const tables = await createTables(dynamo);
  return {
    port: new AwsStore({
      client: DynamoDBDocumentClient.from(dynamo),
      packetsTable: tables.packets,
      ledgerTable: tables.ledger,
      // A minute ahead, so that the store treats recent writes as settled.
      clock: { now: () => Date.now() + 60_000, sleep: async () => {} },
    }),
    async [Symbol.asyncDispose]() {
      await tables[Symbol.asyncDispose]();
      dynamo.destroy();
    },
  };
}

async function someSecrets(): Promise<SecretsFixture> {
  const manager = new SecretsManagerClient(client());
  const deployment = `test-${randomUUID()}`;
  const remove = (SecretId: string) =>
    manager.send(new DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true }));
  const stored = new Set<string>();
  return {
    port: new AwsSecrets({ client: manager, deployment, clock: systemClock() }),
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
  const s3 = new S3Client({ ...client(), forcePathStyle: true });
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

describe("AWS engine", () => {
  queueContract("AWS", someQueues, {
    "ignores an expired receipt": "the emulator accepts expired receipts",
  });
  storeContract("AWS", aStore);
  secretsContract("AWS", someSecrets);
  filesContract("a bucket with versions", () => someFiles(true));
  filesContract("a bucket without versions", () => someFiles(false));
});
