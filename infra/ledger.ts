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

/** Records in one copy. More make fewer objects, and 1,000 entries stay far below the 6 MB of a call. */
const copiedTogether = 1_000;
/** Longest time that entries are collected for one copy. */
const copyWait = Duration.seconds(10);
/** A stream forgets after 24 h; before that the place of what could not be copied goes to a queue. */
const giveUp = Duration.hours(23);

/** Permissions to read and write data encrypted with the bridge's key. */
const keyUse = ["kms:Decrypt", "kms:GenerateDataKey"];

export interface LedgerKeepingProps {
  readonly shared: Shared;
  readonly bundle: Bundle;
  readonly alarms: Alarms;
  /** The ledger table's stream. */
  readonly stream: string;
  /** The name of the bucket for copies and seals. */
  readonly bucket: string;
  /** The ARN of the key seals are signed with. */
  readonly sealKey: string;
}

/**
 * Takes the ledger out of its own keeper's hands: every entry is copied into a bucket nobody can change, what is there
 * is sealed every five minutes, and whatever is done to the table besides appending rings an alarm.
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
    const dead = pathQueue(this, "CopyDeadLetters", { key: shared.key, name: `${shared.deployment}-ledger-dead` });
    new EventSourceMapping(this, "Stream", {
      target: copy.function,
      eventSourceArn: stream,
      startingPosition: StartingPosition.TRIM_HORIZON,
      batchSize: copiedTogether,
      maxBatchingWindow: copyWait,
      // Tried until it works: nothing in a batch can be at fault, so none is halved to find what is.
      maxRecordAge: giveUp,
      onFailure: { bind: () => ({ destination: dead.queueArn }) },
    }).node.addDependency(copy.role);
    allow(
      copy.role,
      ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"],
      [stream],
    );
    allow(copy.role, ["s3:PutObject"], [this.#objects(ledgerObjects.entries), this.#objects(ledgerObjects.tampered)]);
    grantPutEvents(copy.role, shared);
    allow(copy.role, ["sqs:SendMessage"], [dead.queueArn]);
    allow(copy.role, keyUse, [shared.key.keyArn]);

    const { deployment } = shared;
    alarms.whenCounted(
      "ledger-tampered",
      pathMetric("LedgerTampered", { deployment }),
      "Somebody changed or removed entries of the ledger's table, or put in what is none.",
    );
    alarms.whenBehind("ledger-copies-behind", copy.function, 10, "The ledger's copies are 10 min behind its table.");
    alarms.whenFilled("ledger-copies-lost", dead, 1, "Entries of the ledger could not be copied for 23 h.");
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
    // A time that is missed is made up for by the next.
    rule.addTarget(new LambdaTarget(seal.function, { retryAttempts: 0, maxEventAge: aMinute }));
    allow(seal.role, ["s3:ListBucket"], [this.#bucketArn]);
    allow(seal.role, ["s3:GetObject"], [this.#objects(ledgerObjects.entries), this.#objects(ledgerObjects.seals)]);
    allow(
      seal.role,
      ["s3:PutObject"],
      [this.#objects(ledgerObjects.seals), `${this.#bucketArn}/${ledgerObjects.publicKey}`],
    );
    allow(seal.role, ["kms:Sign", "kms:GetPublicKey"], [sealKey]);
    allow(seal.role, keyUse, [shared.key.keyArn]);

    alarms.whenSilent(
      "ledger-not-sealed",
      pathMetric("EntriesSealed", { deployment: shared.deployment, statistic: "SampleCount", period: interval }),
      "The ledger was not sealed for 15 min.",
    );
  }

  #common(): Pick<LedgerCopyEnvironment, "DEPLOYMENT" | "LOG_LEVEL" | "AWS_USE_FIPS_ENDPOINT"> {
    const { deployment, logLevel, fips } = this.#props.shared;
    return { DEPLOYMENT: deployment, LOG_LEVEL: logLevel, ...(fips && { AWS_USE_FIPS_ENDPOINT: "true" as const }) };
  }

  #objects(place: string): string {
    return `${this.#bucketArn}/${place}*`;
  }
}
