import { KMSClient } from "@aws-sdk/client-kms";
import { S3Client } from "@aws-sdk/client-s3";
import type { Sealer } from "../../bridge/ledger/seal.ts";
import type { Evidence } from "../../bridge/ledger/sealed-entries.ts";
import { systemClock } from "../clock.ts";
import { BucketSeals, CopiedEntries, kmsSigner, LedgerBucket, sealingKey } from "./ledger-bucket.ts";

/** What it takes to copy the ledger: a bucket and the time. */
export function openCopying(bucket: string) {
  return { bucket: new LedgerBucket(new S3Client(), bucket), clock: systemClock() };
}

/**
 * What it takes to seal the copies of a ledger, and to hold the ledger against the seals.
 *
 * @param sealKey the AWS KMS key that signs them: it says itself what its public half is
 */
export async function openSealing(bucketName: string, sealKey: string) {
  const { bucket, clock } = openCopying(bucketName);
  const kms = new KMSClient();
  const publicKey = await sealingKey(kms, sealKey);
  return {
    bucket,
    publicKey,
    appended: new CopiedEntries(bucket, clock),
    seals: new BucketSeals(bucket),
    signer: kmsSigner(kms, sealKey, publicKey),
    clock,
  } satisfies Sealer & Evidence & { bucket: LedgerBucket };
}
