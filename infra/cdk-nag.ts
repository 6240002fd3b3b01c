import { type App, Validations } from "aws-cdk-lib";
import { NIST80053R5Checks } from "cdk-nag";

/** A control of NIST SP 800-53 that a rule finds unmet here, and why it is met otherwise, or cannot be. */
export interface Exception {
  readonly rule: string;
  readonly reason: string;
}

/** Every exception there is; a test refuses one that is no longer needed. */
export const exceptions: readonly Exception[] = [
  {
    rule: "DynamoDBInBackupPlan",
    reason:
      "Both tables can be taken back to any second of the last 35 days, and cannot be deleted by a deployment. A backup plan belongs to the agency, which selects tables by tag or account for all its systems.",
  },
  {
    rule: "S3BucketLoggingEnabled",
    reason:
      "S3's own access logs cannot be encrypted with a key of one's own, and a bucket with a default lock cannot take them. The ledger's bucket can be written once and not changed; who reads it, CloudTrail's data events tell, which are the agency's to turn on.",
  },
  {
    rule: "S3BucketReplicationEnabled",
    reason:
      "The bucket is itself the copy: of the ledger's table, which can be taken back to any second. Where a third copy is to be kept, and in which region, the agency decides; a locked bucket can be replicated at any time.",
  },
  {
    rule: "SecretsManagerRotationEnabled",
    reason:
      "The bridge's own key hides entities in hashes that are kept for years. Rotated, no shadow would be known again, and no ledger entry could be matched to its record. It opens no system and is never sent.",
  },
  {
    rule: "IAMNoInlinePolicy",
    reason:
      "A role is one function's own, and so is its policy: inline it goes with the role and can be attached to nothing else.",
  },
  {
    rule: "LambdaConcurrency",
    reason:
      "What calls a function limits it: each event source has a maximum concurrency. A reserved one would take the same number from the account's pool, used or not.",
  },
  {
    rule: "LambdaDLQ",
    reason:
      "No function is called asynchronously with anything to lose: what a queue or a stream handed over stays there until it is done with, and each queue has a dead-letter queue; a call by the clock is followed by the next.",
  },
  {
    rule: "LambdaInsideVPC",
    reason:
      "The agency says in which of its networks the functions stand, by the context key vpc. If it names none they stand in Lambda's own, and reach targets over the internet by TLS.",
  },
];

/** Holds the app to NIST SP 800-53, revision 5: a finding that is no exception stops the synthesis. */
export function holdToNist(app: App, excepted: readonly Exception[] = exceptions): void {
  const pack = "NIST.800.53.R5";
  const validations = Validations.of(app);
  validations.addPlugins(new NIST80053R5Checks(app));
  for (const { rule, reason } of excepted) validations.acknowledge({ id: `${pack}::${pack}-${rule}`, reason });
}
