import { randomUUID } from "node:crypto";
import { CreateTableCommand, DeleteItemCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { CreateKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { CreateBucketCommand, DeleteObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { initialFacts } from "../../bridge/intake/expand.ts";
import { openSeal, sealIssue, sealLedger } from "../../bridge/ledger/seal.ts";
import { verifyLedger } from "../../bridge/ledger/verify.ts";
import { readTimes } from "../../bridge/model/timings.ts";
import { createPacketRecord } from "../../bridge/recording/transitions.ts";
import { ledgerCopyHandler } from "../../functions/ledger-copy-handler.ts";
import {
  BucketSeals,
  CopiedEntries,
  kmsSigner,
  LedgerBucket,
  sealingKey,
  type WriteOnce,
} from "../../platform/aws/ledger-bucket.ts";
import { AwsStore } from "../../platform/aws/store.ts";
import { type AppendedFixture, anEntry, appendedContract } from "../contract/appended-contract.ts";
import { type SealsFixture, sealsContract } from "../contract/seals-contract.ts";
import { streamRecord } from "../functions/stream-records.ts";
import { memoryBucket } from "../support/bucket.ts";
import { aKey, aPacket, noon } from "../support/builders.ts";
import { ManualClock } from "../support/clock.ts";
import { aKeyPair } from "../support/seals.ts";
import { type Emulator, region, rootCredentials, startEmulator } from "./emulator/emulator.ts";

/** Emulator for the tests of the bucket and the signing key. */
let emulator: Emulator;

beforeAll(async () => {
  emulator = await startEmulator({ auth: false, functionsEndpoint: "http://127.0.0.1:9" });
});

afterAll(async () => {
  await emulator?.[Symbol.asyncDispose]();
});

function client() {
  return { region, credentials: rootCredentials, endpoint: `http://127.0.0.1:${emulator.port}` };
}

async function aTable(dynamo: DynamoDBClient, sortKey: "S" | "N"): Promise<string> {
  const TableName = `table-${randomUUID()}`;
  await dynamo.send(
    new CreateTableCommand({
      TableName,
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: [
        { AttributeName: "pk", KeyType: "HASH" },
        { AttributeName: "sk", KeyType: "RANGE" },
      ],
      AttributeDefinitions: [
        { AttributeName: "pk", AttributeType: "S" },
        { AttributeName: "sk", AttributeType: sortKey },
      ],
    }),
  );
  return TableName;
}

interface BucketFixture extends AsyncDisposable {
  readonly bucket: WriteOnce;
  remove(key: string): Promise<void>;
}

async function inMemory(): Promise<BucketFixture> {
  const bucket = memoryBucket();
  return {
    bucket,
    remove: async (key) => {
      bucket.objects.delete(key);
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

async function onAws(): Promise<BucketFixture> {
  const s3 = new S3Client({ ...client(), forcePathStyle: true });
  const Bucket = `ledger-${randomUUID()}`;
  await s3.send(new CreateBucketCommand({ Bucket }));
  return {
    bucket: new LedgerBucket(s3, Bucket),
    remove: async (Key) => {
      await s3.send(new DeleteObjectCommand({ Bucket, Key }));
    },
    [Symbol.asyncDispose]: async () => s3.destroy(),
  };
}

async function seals(make: () => Promise<BucketFixture>): Promise<SealsFixture> {
  const fixture = await make();
  return {
    port: new BucketSeals(fixture.bucket),
    remove: (number) => fixture.remove(`seals/${String(number).padStart(9, "0")}.seal`),
    [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
  };
}

/** Creates a fixture that copies entries through the handler of the ledger table's stream. */
async function copies(make: () => Promise<BucketFixture>): Promise<AppendedFixture> {
  const fixture = await make();
  const clock = new ManualClock();
  const copy = ledgerCopyHandler({ bucket: fixture.bucket, clock, log: () => {} });
  return {
    port: new CopiedEntries(fixture.bucket, clock),
    async append(entries) {
      await copy({ Records: entries.map((entry) => streamRecord(entry, { at: clock.now() / 1_000 })) });
      await clock.advance(120_000);
    },
    [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
  };
}

sealsContract("a bucket in memory", () => seals(inMemory));
appendedContract("copies in memory", () => copies(inMemory));

describe("bucket seals", () => {
  it("finds the last seal with few calls, and with one call if none was added since", async () => {
    let calls = 0;
    const bucket = memoryBucket();
    const counting: WriteOnce = {
      ...bucket,
      list: (...args) => {
        calls++;
        return bucket.list(...args);
      },
    };
    for (let i = 1; i <= 100_000; i++) bucket.objects.set(`seals/${String(i).padStart(9, "0")}.seal`, "");
    // Replaces the list of the in-memory bucket, which sorts all names on every call.
    const names = [...bucket.objects.keys()];
    bucket.list = async (_, after) => names.slice(Number(after.slice(6, 15)), Number(after.slice(6, 15)) + 1);
    const port = new BucketSeals(counting);

    expect((await port.last())?.number).toBe(100_000);
    expect(calls).toBeLessThan(40);
    calls = 0;
    expect((await port.last())?.number).toBe(100_000);
    expect(calls).toBe(1);
  });
});

describe("bucket and tables on AWS", () => {
  sealsContract("a bucket", () => seals(onAws));
  appendedContract("copies", () => copies(onAws));

  it("verification compares a table with the seals of its copies and finds that a packet and its chain are missing", async () => {
    const dynamo = new DynamoDBClient(client());
    const [packetsTable, ledgerTable] = await Promise.all([aTable(dynamo, "S"), aTable(dynamo, "N")]);
    const store = new AwsStore({
      client: DynamoDBDocumentClient.from(dynamo),
      packetsTable,
      ledgerTable,
      clock: { now: Date.now, sleep: async () => {} },
    });
    await using appended = await copies(onAws);
    await using kept = await seals(onAws);
    const { signer, publicKey } = aKeyPair();
    const clock = new ManualClock();
    const evidence = { appended: appended.port, seals: kept.port, publicKey, clock };
    const engine = { store, bridgeKey: aKey, clock, times: readTimes() };
    for (const letter of "abc") {
      const packet = aPacket({ id: `pkt-${letter}` });
      const { record, entry } = createPacketRecord(packet, noon, {
        status: "QUEUED",
        facts: initialFacts(packet, aKey),
      });
      await store.write([{ kind: "packet", id: packet.id, value: record, etag: 0 }], [entry]);
      await appended.append([entry]);
    }
    await sealLedger({ ...evidence, signer });

    expect(await verifyLedger(engine, { evidence })).toMatchObject({ chains: 3, seals: { seals: 1, unsealed: 0 } });
    for (const [TableName, Key] of [
      [ledgerTable, { pk: { S: "pkt-b" }, sk: { N: "1" } }],
      [packetsTable, { pk: { S: "packet#pkt-b" }, sk: { S: "-" } }],
    ] as const) {
      await dynamo.send(new DeleteItemCommand({ TableName, Key }));
    }

    expect((await verifyLedger(engine, { evidence })).fault).toEqual({
      chain: "pkt-b",
      seq: 1,
      message: expect.stringMatching(/^is gone: seal 1 /),
    });
    dynamo.destroy();
  });

  it("a seal signed by AWS KMS verifies only with the public key of the same KMS key", async () => {
    const kms = new KMSClient(client());
    const createKey = async () => {
      const { KeyMetadata } = await kms.send(
        new CreateKeyCommand({ KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" }),
      );
      return KeyMetadata?.KeyId as string;
    };
    const [own, other] = [await createKey(), await createKey()];
    const publicKey = await sealingKey(kms, own);
    await using appended = await copies(onAws);
    await using kept = await seals(onAws);
    await appended.append([anEntry("evt-1")]);

    const signer = kmsSigner(kms, own, publicKey);
    await sealLedger({ appended: appended.port, seals: kept.port, signer, clock: new ManualClock() });

    const seal = openSeal((await kept.port.last())?.text ?? "");
    if (!seal) throw new Error("no seal was stored");
    expect(sealIssue(seal, undefined, publicKey)).toBeUndefined();
    expect(sealIssue(seal, undefined, await sealingKey(kms, other))).toBe("is signed with another key");
  });
});
