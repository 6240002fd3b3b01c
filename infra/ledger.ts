import { Duration, Stack } from "aws-cdk-lib";
import { Rule, Schedule } from "aws-cdk-lib/aws-events";
import { LambdaFunction as LambdaTarget } from "aws-cdk-lib/aws-events-targets";
import { EventSourceMapping, StartingPosition } from "aws-cdk-lib/aws-lambda";
import { Construct } from "constructs";
import { readTimes } from "../bridge/model/timings.ts";
import type { LedgerCopyEnvironment, LedgerSealEnvironment } from "../functions/env.ts";
import { ledgerObjects } from "../platform/aws/names.ts";
import type { Alarms } from "./alarms.ts";
import type { Bundle } from "./bundle.ts";
import { allow, grantPutEvents, PlainFunction, type Shared } from "./function.ts";
import { aMinute, pathMetric } from "./metrics.ts";
import { pathQueue } from "./queues.ts";

/** Maximum number of records in one copy. Large copies mean few objects; 1,000 entries are far below 6 MB per call. */
const copyBatchSize = 1_000;
/** Maximum time to collect entries for one copy. */
const copyWait = Duration.seconds(10);
/** Maximum time to retry a batch, because the stream drops it after 24 h. Its position then goes to a queue. */
const maxRetryAge = Duration.hours(23);

/** Actions for reading and writing data encrypted with the bridge's key. */
const keyActions = ["kms:Decrypt", "kms:GenerateDataKey"];

export interface LedgerKeepingProps {
  readonly shared: Shared;
  readonly bundle: Bundle;
  readonly alarms: Alarms;
  /** ARN of the ledger table's stream. */
  readonly stream: string;
  /** Name of the bucket for copies and seals. */
  readonly bucket: string;
  /** ARN of the key that signs the seals. */
  readonly sealKey: string;
}

/**
 * Protects the ledger from its own operators. Every entry is copied to a write-once bucket, the copies are sealed every
 * five minutes, and every change of the table other than an append raises an alarm.
 */
export class LedgerKeeping extends Construct {
  readonly #props: LedgerKeepingProps;
  readonly #bucketArn: string;

  constructor(scope: Construct, id: string, props: LedgerKeepingProps) {
    super(scope, id);
    this.#props = props;
    this.#bucketArn = Stack.of(this).formatArn({
      service: "s3",
      region: "",
      account: "",
      resource: props.bucket,
    });
    this.#copy();
    this.#seal();
  }

  #copy(): void {
    const { shared, bundle, alarms, stream, bucket } = this.#props;
    const environment: LedgerCopyEnvironment = { ...this.#common(), LEDGER_BUCKET: bucket, BUS: shared.bus };
    const copy = new PlainFunction(this, "Copy", {
      shared,
      name: "ledger-copy",
      bundle,
      handler: "copy",
      source: "functions/ledger-copy-handler.ts",
      environment,
    });
    const deadLetters = pathQueue(this, "CopyDeadLetters", {
      key: shared.key,
      name: `${shared.deployment}-ledger-dead`,
    });
    new EventSourceMapping(this, "Stream", {
      target: copy.function,
      eventSourceArn: stream,
      startingPosition: StartingPosition.TRIM_HORIZON,
      batchSize: copyBatchSize,
      maxBatchingWindow: copyWait,
      // A batch is retried as a whole, without bisecting: no single record can make the function fail.
      maxRecordAge: maxRetryAge,
      onFailure: { bind: () => ({ destination: deadLetters.queueArn }) },
    }).node.addDependency(copy.role);
    allow(
      copy.role,
      ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"],
      [stream],
    );
    allow(copy.role, ["s3:PutObject"], [this.#objects(ledgerObjects.entries), this.#objects(ledgerObjects.tampered)]);
    grantPutEvents(copy.role, shared);
    allow(copy.role, ["sqs:SendMessage"], [deadLetters.queueArn]);
    allow(copy.role, keyActions, [shared.key.keyArn]);

    const { deployment } = shared;
    alarms.whenCounted(
      "ledger-tampered",
      pathMetric("LedgerTampered", { deployment }),
      "Entries of the ledger table were changed or deleted, or an item that is not an entry was added.",
    );
    alarms.whenBehind(
      "ledger-copies-behind",
      copy.function,
      10,
      "The copies of the ledger are 10 min behind its table.",
    );
    alarms.whenFilled("ledger-copies-lost", deadLetters, 1, "Ledger entries could not be copied for 23 h.");
  }

  #seal(): void {
    const { shared, bundle, alarms, bucket, sealKey } = this.#props;
    const environment: LedgerSealEnvironment = { ...this.#common(), LEDGER_BUCKET: bucket, SEAL_KEY: sealKey };
    const seal = new PlainFunction(this, "Seal", {
      shared,
      name: "ledger-seal",
      bundle,
      handler: "seal",
      source: "functions/ledger-seal-handler.ts",
      environment,
    });
    const interval = Duration.millis(readTimes().sealMs);
    const rule = new Rule(this, "SealTime", {
      description: `Calls ${shared.deployment}-ledger-seal`,
      schedule: Schedule.rate(interval),
    });
    // No retries: the next scheduled invocation covers a failed one.
    rule.addTarget(new LambdaTarget(seal.function, { retryAttempts: 0, maxEventAge: aMinute }));
    allow(seal.role, ["s3:ListBucket"], [this.#bucketArn]);
    allow(seal.role, ["s3:GetObject"], [this.#objects(ledgerObjects.entries), this.#objects(ledgerObjects.seals)]);
    allow(
      seal.role,
      ["s3:PutObject"],
      [this.#objects(ledgerObjects.seals), `${this.#bucketArn}/${ledgerObjects.publicKey}`],
    );
    allow(seal.role, ["kms:Sign", "kms:GetPublicKey"], [sealKey]);
    allow(seal.role, keyActions, [shared.key.keyArn]);

    alarms.whenSilent(
      "ledger-not-sealed",
      pathMetric("EntriesSealed", { deployment: shared.deployment, statistic: "SampleCount", period: interval }),
      "The ledger has not been sealed for 15 min.",
    );
  }

  #common(): Pick<LedgerCopyEnvironment, "DEPLOYMENT" | "LOG_LEVEL" | "AWS_USE_FIPS_ENDPOINT"> {
    const { deployment, logLevel, fips } = this.#props.shared;
    return { DEPLOYMENT: deployment, LOG_LEVEL: logLevel, ...(fips && { AWS_USE_FIPS_ENDPOINT: "true" as const }) };
  }

  #objects(prefix: string): string {
    return `${this.#bucketArn}/${prefix}*`;
  }
}
