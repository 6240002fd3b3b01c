import { KMSClient } from "@aws-sdk/client-kms";
import { S3Client } from "@aws-sdk/client-s3";
import type { Sealer } from "../../bridge/ledger/seal.ts";
import type { Evidence } from "../../bridge/ledger/sealed-entries.ts";
import { systemClock } from "../clock.ts";
import { BucketSeals, CopiedEntries, kmsSigner, LedgerBucket, sealingKey } from "./ledger-bucket.ts";

/** Opens the bucket and the clock that copying the ledger needs. */
export function openLedgerCopy(bucket: string) {
  return { bucket: new LedgerBucket(new S3Client(), bucket), clock: systemClock() };
}

/**
 * Opens the seals of a ledger, for sealing its copies and for verifying the ledger against them.
 *
 * @param sealKey the AWS KMS key that signs the seals; its public half is read from AWS KMS
 */
export async function openLedgerSeals(bucketName: string, sealKey: string) {
  const { bucket, clock } = openLedgerCopy(bucketName);
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
