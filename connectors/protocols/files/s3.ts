import { HeadBucketCommand, PutObjectCommand, S3Client, S3ServiceException } from "@aws-sdk/client-s3";
import type { S3Place } from "../../../bridge/model/connector.ts";
import { FolderError } from "./folder.ts";

/** Shorter than the 5 s limit of an attempt, so a timeout is reported as one of S3. */
const callMs = 4_000;

let client: S3Client | undefined;

/** Returns the shared client, configured by the environment. It never retries a request: the lane does. */
function s3(): S3Client {
  client ??= new S3Client({ maxAttempts: 1 });
  return client;
}

/**
 * Writes an object unless one with that name exists. Readers see the whole object or none.
 *
 * Source: Amazon S3 User Guide, "Amazon S3 data consistency model" and "Conditional writes".
 *
 * @throws {FolderError} if S3 refuses the write or does not answer
 */
export async function putObject(
  { place, kmsKey }: S3Place,
  { name, bytes, contentType }: { readonly name: string; readonly bytes: Uint8Array; readonly contentType: string },
  signal: AbortSignal,
): Promise<void> {
  const { bucket, prefix } = partsOf(place);
  try {
    await s3().send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: prefix + name,
        Body: bytes,
        ContentType: contentType,
        IfNoneMatch: "*",
        ...(kmsKey !== undefined && { ServerSideEncryption: "aws:kms", SSEKMSKeyId: kmsKey }),
      }),
      { abortSignal: AbortSignal.any([signal, AbortSignal.timeout(callMs)]) },
    );
  } catch (error) {
    if (statusOf(error) !== 412) throw errorOf(error);
  }
}

/** Returns true if the bucket exists. A 403 counts as true: a role that may only write gets it for any bucket. */
export async function hasBucket({ place }: S3Place, signal: AbortSignal): Promise<boolean> {
  const { bucket } = partsOf(place);
  try {
    await s3().send(new HeadBucketCommand({ Bucket: bucket }), { abortSignal: signal });
    return true;
  } catch (error) {
    return statusOf(error) === 403;
  }
}

function partsOf(place: string): { bucket: string; prefix: string } {
  const [, bucket = "", prefix = ""] = /^s3:\/\/([^/]+)\/(.*)$/.exec(place) ?? [];
  return { bucket, prefix };
}

function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

const statusMessages: Readonly<Record<number, string>> = {
  301: "the bucket is in another region",
  403: "S3 denies access; check the function's role, the bucket policy and the KMS key policy",
  404: "the bucket does not exist",
  409: "another process is writing the same object",
  429: "S3 is throttling requests",
};

function errorOf(error: unknown): FolderError {
  const status = statusOf(error);
  // After a 5xx it is unknown whether the object was written.
  if (status === undefined || status >= 500) return new FolderError("S3 did not answer", "no-answer", error);
  return new FolderError(statusMessages[status] ?? `S3 answered ${status} ${(error as Error).name}`, "answered", error);
}
