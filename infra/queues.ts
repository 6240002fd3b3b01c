import { Duration, RemovalPolicy } from "aws-cdk-lib";
import type { IKey } from "aws-cdk-lib/aws-kms";
import { DeduplicationScope, FifoThroughputLimit, Queue, QueueEncryption } from "aws-cdk-lib/aws-sqs";
import type { Construct } from "constructs";
import { readTimes } from "../bridge/model/timings.ts";
import { maxReceives } from "../bridge/ports/queue.ts";

/** Source: Amazon SQS quotas, a queue's name. */
const longestName = 80;

export interface QueuePlan {
  readonly name: string;
  readonly key: IKey;
  /** Dead-letter queue for messages received too often. Absent for a dead-letter queue. */
  readonly dead?: Queue;
  /** Retained when its stack is deleted: it may hold messages that are in no table yet. */
  readonly kept?: boolean;
}

/**
 * A queue of the path: encrypted with our key, by TLS only, keeping a message for 14 days.
 *
 * A FIFO queue is high-throughput: order and deduplication are a group's own, so lanes do not wait for each other.
 */
export function pathQueue(scope: Construct, id: string, { name, key, dead, kept = false }: QueuePlan): Queue {
  if (name.length > longestName) {
    throw new Error(`the queue ${name} has a name longer than ${longestName}; give the connector a shorter one`);
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
    ...(dead && { deadLetterQueue: { queue: dead, maxReceiveCount: maxReceives } }),
  });
}
