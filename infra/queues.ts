import { Duration, RemovalPolicy } from "aws-cdk-lib";
import type { IKey } from "aws-cdk-lib/aws-kms";
import { DeduplicationScope, FifoThroughputLimit, Queue, QueueEncryption } from "aws-cdk-lib/aws-sqs";
import type { Construct } from "constructs";
import { readTimes } from "../bridge/model/timings.ts";
import { maxReceives } from "../bridge/ports/queue.ts";

/** Maximum length of a queue's name. Source: Amazon SQS quotas. */
const maxNameLength = 80;

export interface QueuePlan {
  readonly name: string;
  readonly key: IKey;
  /** Dead-letter queue for messages received too often. Absent for a dead-letter queue. */
  readonly deadLetters?: Queue;
  /** True to retain the queue when its stack is deleted, because it may hold messages that are in no table yet. */
  readonly kept?: boolean;
}

/**
 * Creates a queue of the path: encrypted with the bridge's key, accessible only over TLS, with a retention of 14 days.
 *
 * A FIFO queue uses high throughput mode, in which order and deduplication are per message group, so that lanes do not
 * block each other.
 */
export function pathQueue(scope: Construct, id: string, { name, key, deadLetters, kept = false }: QueuePlan): Queue {
  if (name.length > maxNameLength) {
    throw new Error(
      `the queue name ${name} has more than ${maxNameLength} characters; give the connector a shorter name`,
    );
  }
  return new Queue(scope, id, {
    queueName: name,
    encryption: QueueEncryption.KMS,
    encryptionMasterKey: key,
    enforceSSL: true,
    retentionPeriod: Duration.days(14),
    visibilityTimeout: Duration.millis(readTimes().visibilityMs),
    removalPolicy: kept ? RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE : RemovalPolicy.DESTROY,
    ...(name.endsWith(".fifo") && {
      fifo: true,
      deduplicationScope: DeduplicationScope.MESSAGE_GROUP,
      fifoThroughputLimit: FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
    }),
    ...(deadLetters && { deadLetterQueue: { queue: deadLetters, maxReceiveCount: maxReceives } }),
  });
}
