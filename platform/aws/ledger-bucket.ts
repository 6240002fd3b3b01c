import { createPublicKey, type KeyObject } from "node:crypto";
import { GetPublicKeyCommand, type KMSClient, SignCommand } from "@aws-sdk/client-kms";
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { keyNameOf, type Signer } from "../../bridge/ledger/seal.ts";
import type { LedgerEntry } from "../../bridge/model/ledger-entry.ts";
import type { Clock } from "../../bridge/ports/clock.ts";
import type { AppendedPort, SealsPort, StoredSeal } from "../../bridge/ports/seals.ts";
import { ledgerPlaces } from "./names.ts";

/** A bucket in which nothing is ever written over. */
export class LedgerBucket {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(client: S3Client, bucket: string) {
    this.#client = client;
    this.#bucket = bucket;
  }

  /** `taken` where there is one of that name: it stays as it is. */
  async put(key: string, text: string): Promise<"added" | "taken"> {
    try {
      await this.#client.send(new PutObjectCommand({ Bucket: this.#bucket, Key: key, Body: text, IfNoneMatch: "*" }));
      return "added";
    } catch (error) {
      if ((error as Error).name === "PreconditionFailed") return "taken";
      throw error;
    }
  }

  async get(key: string): Promise<string> {
    const { Body } = await this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: key }));
    if (!Body) throw new Error(`s3://${this.#bucket}/${key} has no body`);
    return Body.transformToString();
  }

  /** Names in order, after a name; at most 1,000. */
  async list(prefix: string, after: string, limit = 1_000): Promise<string[]> {
    const { Contents = [] } = await this.#client.send(
      new ListObjectsV2Command({ Bucket: this.#bucket, Prefix: prefix, StartAfter: after || prefix, MaxKeys: limit }),
    );
    return Contents.flatMap(({ Key }) => (Key ? [Key] : []));
  }
}

/** The bucket as what stands on it needs it. */
export type WriteOnce = Pick<LedgerBucket, "put" | "get" | "list">;

/**
 * A copy is named by the time of its entries, so that copies lie in order; but never earlier than this before it is
 * written, so that none turns up among those that were sealed already.
 */
const copyWithinMs = 30_000;

/** A copy is taken for settled after this: the time above, a function's whole 30 s, and some for two clocks. */
const settledMs = 90_000;

/**
 * Where the copy of a batch is kept. The same batch again has the same name, for as long as it is no older than 30 s.
 *
 * @param recorded when its first entry was written, ms
 * @param first and `last` the stream's own numbers of its records
 */
export function copyNameOf({ recorded, first, last }: { recorded: number; first: string; last: string }, now: number) {
  return `${timeName(Math.max(recorded, now - copyWithinMs))}-${first}-${last}.ndjson`;
}

/** What the names of a time's copies begin with: as RFC 3339, but without the colons that some file systems refuse. */
function timeName(ms: number): string {
  return `${ledgerPlaces.entries}${new Date(ms).toISOString().replaceAll(":", "-")}`;
}

/** The ledger as its stream was copied into the bucket: an object a batch, in order of time. */
export class CopiedEntries implements AppendedPort {
  /** A stream that flows is copied within a minute; one that is this far behind has rung its alarm. */
  readonly settlingMs = 900_000;
  readonly #bucket: WriteOnce;
  readonly #clock: Pick<Clock, "now">;

  constructor(bucket: WriteOnce, clock: Pick<Clock, "now">) {
    this.#bucket = bucket;
    this.#clock = clock;
  }

  async read(after: string, limit: number): Promise<{ entries: readonly LedgerEntry[]; to: string }> {
    const settled = timeName(this.#clock.now() - settledMs);
    const names = (await this.#bucket.list(ledgerPlaces.entries, after, 50)).filter((name) => name < settled);
    const entries: LedgerEntry[] = [];
    let to = after;
    for (const name of names) {
      if (entries.length >= limit) break;
      const lines = (await this.#bucket.get(name)).split("\n");
      for (const line of lines) if (line !== "") entries.push(JSON.parse(line) as LedgerEntry);
      to = name;
    }
    return { entries, to };
  }
}

/** Seals as objects, `seals/000000001.seal` and on. */
export class BucketSeals implements SealsPort {
  readonly #bucket: WriteOnce;
  /** The highest number seen so far. */
  #known = 0;

  constructor(bucket: WriteOnce) {
    this.#bucket = bucket;
  }

  /**
   * A bucket lists from the front only: so by doubling and halving, is there any from this number on? One call where
   * nothing came since the last time. A number that is missing hides none above it.
   */
  async last(): Promise<StoredSeal | undefined> {
    let low = this.#known;
    let high = low + 1;
    for (let next = await this.#next(high); next !== undefined; next = await this.#next(high)) {
      high = next + 2 * (high - low);
      low = next;
    }
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      const next = await this.#next(middle);
      if (next === undefined) high = middle;
      else low = next;
    }
    this.#known = low;
    return low === 0 ? undefined : this.#read(low);
  }

  async *from(first: number): AsyncIterable<StoredSeal> {
    let after = first - 1;
    for (;;) {
      const numbers = await this.#numbersAfter(after, 1_000);
      for (const number of numbers) yield this.#read(number);
      const last = numbers.at(-1);
      if (last === undefined) return;
      after = last;
    }
  }

  add(number: number, text: string): Promise<"added" | "taken"> {
    return this.#bucket.put(nameOf(number), text);
  }

  async #next(from: number): Promise<number | undefined> {
    return (await this.#numbersAfter(from - 1, 1))[0];
  }

  async #numbersAfter(number: number, limit: number): Promise<number[]> {
    const names = await this.#bucket.list(ledgerPlaces.seals, nameOf(number), limit);
    return names.map((name) => Number(/(\d{9})\.seal$/.exec(name)?.[1] ?? Number.NaN));
  }

  async #read(number: number): Promise<StoredSeal> {
    return { number, text: await this.#bucket.get(nameOf(number)) };
  }
}

function nameOf(number: number): string {
  return `${ledgerPlaces.seals}${String(number).padStart(9, "0")}.seal`;
}

/** The public half of the key that seals are signed with, from AWS KMS itself. */
export async function sealingKey(client: KMSClient, keyId: string): Promise<KeyObject> {
  const { PublicKey } = await client.send(new GetPublicKeyCommand({ KeyId: keyId }));
  if (!PublicKey) throw new Error("AWS KMS gave no public key");
  return createPublicKey({ key: Buffer.from(PublicKey), format: "der", type: "spki" });
}

/** Signs in AWS KMS, which the private key never leaves. */
export function kmsSigner(client: KMSClient, keyId: string, publicKey: KeyObject): Signer {
  return {
    key: keyNameOf(publicKey),
    async sign(text) {
      const { Signature } = await client.send(
        new SignCommand({
          KeyId: keyId,
          Message: Buffer.from(text),
          MessageType: "RAW",
          SigningAlgorithm: "ECDSA_SHA_256",
        }),
      );
      if (!Signature) throw new Error("AWS KMS gave no signature");
      return Buffer.from(Signature).toString("base64");
    },
  };
}
