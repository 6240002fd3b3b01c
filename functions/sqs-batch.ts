import type { Context, SQSBatchResponse } from "aws-lambda";
import * as z from "zod";
import type { Engine } from "../bridge/engine.ts";
import { errorName } from "../bridge/observability/log.ts";
import type { MessageDisposition } from "../bridge/ports/message-result.ts";
import type { Message, QueueName } from "../bridge/ports/queue.ts";

/** A Lambda handler for an SQS batch that reports partial failures. Of the context it needs only the remaining time. */
export type BatchHandler = (
  event: unknown,
  context: Pick<Context, "getRemainingTimeInMillis">,
) => Promise<SQSBatchResponse>;

/** Maximum number of messages in one SQS call. Source: Amazon SQS quotas. */
const maxBatch = 10;

const sqsEventSchema = z.object({
  Records: z.array(
    z.object({
      messageId: z.string(),
      receiptHandle: z.string(),
      body: z.string(),
      attributes: z.object({
        ApproximateReceiveCount: z.coerce.number().int().positive(),
        SentTimestamp: z.coerce.number().int().positive(),
        MessageGroupId: z.string().optional(),
      }),
    }),
  ),
});

/**
 * Returns the messages of an SQS event.
 *
 * @throws {Error} if `event` is not an SQS event, which indicates a faulty deployment, not a bad message
 */
export function messagesIn(event: unknown): Message[] {
  const parsed = sqsEventSchema.safeParse(event);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Error(`not an SQS event: ${issue?.path.join(".")}: ${issue?.message}`);
  }
  return parsed.data.Records.map(({ messageId, receiptHandle, body, attributes }) => ({
    id: messageId,
    group: attributes.MessageGroupId ?? laneIn(body) ?? messageId,
    body,
    receiveCount: attributes.ApproximateReceiveCount,
    sentAt: attributes.SentTimestamp,
    receipt: receiptHandle,
  }));
}

/** Returns the lane named in a packet's body, for a message without a message group. */
function laneIn(body: string): string | undefined {
  try {
    const { lane } = JSON.parse(body) as { lane?: unknown };
    return typeof lane === "string" ? lane : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Converts the dispositions of a batch to Lambda's response. Acknowledged messages are deleted by Lambda. Delayed
 * messages are reported as failed and become visible again when their delay is over.
 */
export async function settleBatch(
  engine: Engine,
  queue: QueueName,
  messages: readonly Message[],
  dispositions: readonly MessageDisposition[],
): Promise<SQSBatchResponse> {
  const delayed = dispositions.flatMap((disposition) => (disposition.kind === "delay" ? [disposition] : []));
  for (let i = 0; i < delayed.length; i += maxBatch) {
    try {
      await engine.queue.delay(queue, delayed.slice(i, i + maxBatch));
    } catch (error) {
      // They are still reported as failed, and return after the queue's own visibility timeout.
      engine.log({ step: "delay-failed", queue, error: errorName(error) });
    }
  }
  const receipts = new Set(delayed.map(({ receipt }) => receipt));
  return {
    batchItemFailures: messages.flatMap(({ id, receipt }) => (receipts.has(receipt) ? [{ itemIdentifier: id }] : [])),
  };
}
