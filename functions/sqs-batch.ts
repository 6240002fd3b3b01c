import type { Context, SQSBatchResponse } from "aws-lambda";
import * as z from "zod";
import type { Engine } from "../bridge/engine.ts";
import { errorName } from "../bridge/observability/log.ts";
import type { MessageDisposition } from "../bridge/ports/message-result.ts";
import type { Message, QueueName } from "../bridge/ports/queue.ts";

/** What a handler is called with and answers; of the context only the time that is left matters. */
export type BatchHandler = (
  event: unknown,
  context: Pick<Context, "getRemainingTimeInMillis">,
) => Promise<SQSBatchResponse>;

/** Messages in one call. Source: Amazon SQS quota. */
const batch = 10;

const sqsEventSchema = z.object({
  Records: z.array(
    z.object({
      messageId: z.string(),
      receiptHandle: z.string(),
      body: z.string(),
      attributes: z.object({
        ApproximateReceiveCount: z.coerce.number().int().positive(),
        MessageGroupId: z.string().optional(),
      }),
    }),
  ),
});

/** The messages of an SQS event. @throws where it is none: a fault of the deployment, not of a message */
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
    receipt: receiptHandle,
  }));
}

/** The lane a packet names itself, for where the queue does not say its group. */
function laneIn(body: string): string | undefined {
  try {
    const { lane } = JSON.parse(body) as { lane?: unknown };
    return typeof lane === "string" ? lane : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Tells Lambda and SQS what became of a batch: what is done with is removed by Lambda, what must wait is named as
 * failed and made visible again when its time has come.
 */
export async function answer(
  engine: Engine,
  queue: QueueName,
  messages: readonly Message[],
  reports: readonly MessageDisposition[],
): Promise<SQSBatchResponse> {
  const waiting = reports.flatMap((report) => (report.kind === "delay" ? [report] : []));
  for (let i = 0; i < waiting.length; i += batch) {
    try {
      await engine.queue.delay(queue, waiting.slice(i, i + batch));
    } catch (error) {
      // They still count as failed, and come again when the queue's own visibility timeout is over.
      engine.log({ step: "delay-failed", queue, error: errorName(error) });
    }
  }
  const receipts = new Set(waiting.map(({ receipt }) => receipt));
  return {
    batchItemFailures: messages.flatMap(({ id, receipt }) => (receipts.has(receipt) ? [{ itemIdentifier: id }] : [])),
  };
}
