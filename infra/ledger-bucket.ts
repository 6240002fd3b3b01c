import { Duration, RemovalPolicy } from "aws-cdk-lib";
import { AnyPrincipal, Effect, PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { IKey } from "aws-cdk-lib/aws-kms";
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectLockRetention, ObjectOwnership } from "aws-cdk-lib/aws-s3";
import type { Construct } from "constructs";
import type { Settings } from "./settings.ts";

export type Lock = Pick<Settings, "ledgerLock" | "ledgerRetentionDays">;

/**
 * Creates the bucket for the ledger's copies and seals. They are written once and cannot be changed or deleted early.
 *
 * S3 Object Lock keeps each object for the retention period. In addition, the bucket policy denies every action that
 * deletes an object, and every upload that would add a newer version of one.
 */
export function ledgerBucket(scope: Construct, key: IKey, { ledgerLock, ledgerRetentionDays }: Lock): Bucket {
  const retention = Duration.days(ledgerRetentionDays);
  const bucket = new Bucket(scope, "LedgerCopies", {
    encryption: BucketEncryption.KMS,
    encryptionKey: key,
    // Reduces the calls to AWS KMS.
    bucketKeyEnabled: true,
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
    enforceSSL: true,
    versioned: true,
    objectLockEnabled: true,
    objectLockDefaultRetention:
      ledgerLock === "COMPLIANCE"
        ? ObjectLockRetention.compliance(retention)
        : ObjectLockRetention.governance(retention),
    removalPolicy: RemovalPolicy.RETAIN,
  });
  const deny = (sid: string, actions: string[], resources: string[], conditions?: Record<string, unknown>) =>
    bucket.addToResourcePolicy(
      new PolicyStatement({
        sid,
        effect: Effect.DENY,
        principals: [new AnyPrincipal()],
        actions,
        resources,
        ...(conditions && { conditions }),
      }),
    );
  const objects = bucket.arnForObjects("*");
  deny(
    "KeepObjects",
    ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention", "s3:PutObjectRetention"],
    [objects],
  );
  deny("KeepBucket", ["s3:DeleteBucket", "s3:PutLifecycleConfiguration"], [bucket.bucketArn]);
  // Source: Amazon S3, "Enforce conditional writes on Amazon S3 buckets".
  deny("WriteOnce", ["s3:PutObject"], [objects], {
    Null: { "s3:if-none-match": "true" },
    Bool: { "s3:ObjectCreationOperation": "true" },
  });
  return bucket;
}
