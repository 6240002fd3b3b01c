import { createPublicKey, type KeyObject } from "node:crypto";
import { GetPublicKeyCommand, type KMSClient, SignCommand } from "@aws-sdk/client-kms";
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { keyNameOf, type Signer } from "../../bridge/ledger/seal.ts";
import type { LedgerEntry } from "../../bridge/model/ledger-entry.ts";
import type { Clock } from "../../bridge/ports/clock.ts";
import type { AppendedPort, SealsPort, StoredSeal } from "../../bridge/ports/seals.ts";
import { ledgerObjects } from "./names.ts";

/** A bucket whose objects are never overwritten. */
export class LedgerBucket {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(client: S3Client, bucket: string) {
    this.#client = client;
    this.#bucket = bucket;
  }

  /** Adds an object. If the key exists, returns `taken` and leaves the object as it is. */
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

  /** Lists keys after `after`, in order; at most 1,000. */
  async list(prefix: string, after: string, limit = 1_000): Promise<string[]> {
    const { Contents = [] } = await this.#client.send(
      new ListObjectsV2Command({ Bucket: this.#bucket, Prefix: prefix, StartAfter: after || prefix, MaxKeys: limit }),
    );
    return Contents.flatMap(({ Key }) => (Key ? [Key] : []));
  }
}

/** The part of the bucket that copies and seals use. */
export type WriteOnce = Pick<LedgerBucket, "put" | "get" | "list">;

/**
 * A copy is named by the time of its entries, so that copies are listed in order. The time in the name is at most this
 * long before the write, so that no copy appears among those already sealed.
 */
const copyWithinMs = 30_000;

/** Age at which no earlier copy can appear any more: the time above, a function's 30 s timeout, and 30 s of clock skew. */
const settledMs = 90_000;

/**
 * Key of the object that holds the copy of a batch. A repeated batch has the same key if it is at most 30 s old.
 *
 * `recorded` is the time of its first entry in ms; `first` and `last` are the stream's sequence numbers.
 */
export function copyNameOf({ recorded, first, last }: { recorded: number; first: string; last: string }, now: number) {
  return `${timeName(Math.max(recorded, now - copyWithinMs))}-${first}-${last}.ndjson`;
}

/** Key prefix of the copies of one time: RFC 3339 with hyphens for colons, which some file systems reject. */
function timeName(ms: number): string {
  return `${ledgerObjects.entries}${new Date(ms).toISOString().replaceAll(":", "-")}`;
}

/** The ledger's entries as copied from its stream into the bucket: one object for each batch, in order of time. */
export class CopiedEntries implements AppendedPort {
  /** Normal copying takes under a minute; if the stream is this far behind, its alarm has fired. */
  readonly settlingMs = 900_000;
  readonly #bucket: WriteOnce;
  readonly #clock: Pick<Clock, "now">;

  constructor(bucket: WriteOnce, clock: Pick<Clock, "now">) {
    this.#bucket = bucket;
    this.#clock = clock;
  }

  async read(after: string, limit: number): Promise<{ entries: readonly LedgerEntry[]; to: string }> {
    const settled = timeName(this.#clock.now() - settledMs);
    const names = (await this.#bucket.list(ledgerObjects.entries, after, 50)).filter((name) => name < settled);
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

/** Seals stored as objects `seals/000000001.seal`, `seals/000000002.seal`, … */
export class BucketSeals implements SealsPort {
  readonly #bucket: WriteOnce;
  /** The highest number seen so far. */
  #known = 0;

  constructor(bucket: WriteOnce) {
    this.#bucket = bucket;
  }

  /**
   * Finds the newest seal by doubling and then halving, because S3 lists only in ascending order. Needs one call if no
   * seal was added since the previous search. A missing number does not hide higher ones.
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
    const names = await this.#bucket.list(ledgerObjects.seals, nameOf(number), limit);
    return names.map((name) => Number(/(\d{9})\.seal$/.exec(name)?.[1] ?? Number.NaN));
  }

  async #read(number: number): Promise<StoredSeal> {
    return { number, text: await this.#bucket.get(nameOf(number)) };
  }
}

function nameOf(number: number): string {
  return `${ledgerObjects.seals}${String(number).padStart(9, "0")}.seal`;
}

/** Reads the public half of the signing key from AWS KMS. */
export async function sealingKey(client: KMSClient, keyId: string): Promise<KeyObject> {
  const { PublicKey } = await client.send(new GetPublicKeyCommand({ KeyId: keyId }));
  if (!PublicKey) throw new Error("AWS KMS gave no public key");
  return createPublicKey({ key: Buffer.from(PublicKey), format: "der", type: "spki" });
}

/** Signs by AWS KMS, so that the private key never leaves it. */
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
