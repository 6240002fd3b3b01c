import { type App, Validations } from "aws-cdk-lib";
import { NIST80053R5Checks } from "cdk-nag";

/** A rule of the NIST SP 800-53 pack that the stacks do not pass, with the reason why that is acceptable. */
export interface Exception {
  readonly rule: string;
  readonly reason: string;
}

/** All exceptions. A test fails if any of them is no longer needed. */
export const exceptions: readonly Exception[] = [
  {
    rule: "DynamoDBInBackupPlan",
    reason:
      "Both tables have point-in-time recovery for the last 35 days and cannot be deleted by a deployment. A backup plan belongs to the agency, which selects tables by tag or account for all its systems.",
  },
  {
    rule: "S3BucketLoggingEnabled",
    reason:
      "S3 server access logs cannot be encrypted with a customer managed key, and a bucket with a default object lock cannot receive them. Objects in the ledger's bucket are written once and cannot be changed. Reads are recorded by CloudTrail data events, which the agency enables.",
  },
  {
    rule: "S3BucketReplicationEnabled",
    reason:
      "The bucket is itself a copy of the ledger table, which has point-in-time recovery. The agency decides whether and in which region to keep a third copy; replication can be added to a locked bucket at any time.",
  },
  {
    rule: "SecretsManagerRotationEnabled",
    reason:
      "The bridge's own key is the key of entity hashes that are kept for years. After a rotation no shadow could be found and no ledger entry could be matched to its record. The key gives access to no system and is never sent.",
  },
  {
    rule: "IAMNoInlinePolicy",
    reason:
      "Each function has its own role and policy. An inline policy is deleted with its role and cannot be attached to anything else.",
  },
  {
    rule: "LambdaConcurrency",
    reason:
      "Each event source limits the concurrency of its function. Reserved concurrency would be taken from the account's pool even while unused.",
  },
  {
    rule: "LambdaDLQ",
    reason:
      "No asynchronous invocation carries data that could be lost. Messages stay in their queue or stream until they are processed, each queue has a dead-letter queue, and a scheduled invocation is followed by the next.",
  },
  {
    rule: "LambdaInsideVPC",
    reason:
      "The agency chooses the network of the functions with the context key vpc. Without it they run in Lambda's own network and reach targets over the internet with TLS.",
  },
];

/** Checks the app against NIST SP 800-53 revision 5. Synthesis fails on any finding without an exception. */
export function enforceNist(app: App, excepted: readonly Exception[] = exceptions): void {
  const pack = "NIST.800.53.R5";
  const validations = Validations.of(app);
  validations.addPlugins(new NIST80053R5Checks(app));
  for (const { rule, reason } of excepted) validations.acknowledge({ id: `${pack}::${pack}-${rule}`, reason });
}
