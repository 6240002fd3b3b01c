import type { SQSBatchResponse } from "aws-lambda";
import type { Message, QueueName } from "../../bridge/ports/queue.ts";
import type { BatchHandler } from "../../functions/sqs-batch.ts";
import type { Core } from "../support/core.ts";

/** Returns a queue message as an SQS record of a Lambda event. */
export function sqsRecord({ id, group, body, receiveCount, receipt }: Message, withGroup = true) {
  return {
    messageId: id,
    receiptHandle: receipt,
    body,
    attributes: {
      ApproximateReceiveCount: String(receiveCount),
      SentTimestamp: "1772366400000",
      SenderId: "AIDAEXAMPLE",
      ApproximateFirstReceiveTimestamp: "1772366400001",
      ...(withGroup && { MessageGroupId: group, MessageDeduplicationId: "d", SequenceNumber: "1" }),
    },
    messageAttributes: {},
    md5OfBody: "0".repeat(32),
    eventSource: "aws:sqs",
    eventSourceARN: "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:hms-bridge-lane-Fake-v1.fifo",
    awsRegion: "us-gov-west-1",
  };
}

export interface LambdaOptions {
  readonly remainingMs?: number;
  /** True, the default, if the records contain the message group. */
  readonly withGroup?: boolean;
}

export interface Invocation {
  readonly messages: readonly Message[];
  readonly response: SQSBatchResponse;
  /** Ids (`pkt-…`) of the packets reported as failed. */
  readonly failed: readonly string[];
}

/** Acts as Lambda: receives a batch, invokes the handler, and deletes the messages not reported as failed. */
export async function lambda(
  core: Core,
  queue: QueueName,
  handler: BatchHandler,
  { remainingMs = 30_000, withGroup = true }: LambdaOptions = {},
): Promise<Invocation> {
  const messages = await core.engine.queue.receive(queue, { max: 10, visibilityMs: 180_000, waitMs: 0 });
  const event = { Records: messages.map((message) => sqsRecord(message, withGroup)) };
  const response = await handler(event, { getRemainingTimeInMillis: () => remainingMs });
  const failures = new Set(response.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
  const succeeded = messages.filter(({ id }) => !failures.has(id)).map(({ receipt }) => receipt);
  await core.engine.queue.remove(queue, succeeded);
  const failed = messages
    .filter(({ id }) => failures.has(id))
    .map(({ body }) => (JSON.parse(body) as { id: string }).id);
  return { messages, response, failed };
}
