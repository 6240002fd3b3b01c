import {
  CancelMessageMoveTaskCommand,
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  ListMessageMoveTasksCommand,
  type ListMessageMoveTasksResultEntry,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SQSClient,
  type Message as SqsMessage,
  StartMessageMoveTaskCommand,
} from "@aws-sdk/client-sqs";
import type { Arrival } from "../../bridge/model/acceptance.ts";
import type { Clock } from "../../bridge/ports/clock.ts";
import {
  type DeadLetters,
  type Message,
  type NewMessage,
  originOf,
  type QueueName,
  type QueuePort,
} from "../../bridge/ports/queue.ts";
import { queueNameOf } from "./names.ts";

/** Longest delay of a message: 12 hours. Source: `ChangeMessageVisibility`. */
const longestDelaySeconds = 43_200;

export interface AwsQueueOptions {
  readonly client: SQSClient;
  /** Name prefix of all of this deployment's queues. */
  readonly deployment: string;
  /** URL prefix of the account's queues: `https://sqs.us-gov-west-1.amazonaws.com/123456789012/`. */
  readonly queuesUrl: string;
  /** ARN prefix of the account's queues: `arn:aws-us-gov:sqs:us-gov-west-1:123456789012:`. */
  readonly queuesArn: string;
  readonly clock: Pick<Clock, "now" | "sleep">;
}

/** Checks for the end of a cancelled move: 20 checks, 250 ms apart. */
const stopCheckMs = 250;
const maxStopChecks = 20;

/** An entry of a batch that SQS did not accept. */
interface Failed {
  readonly Id?: string | undefined;
  readonly Code?: string | undefined;
}

/** Queues on Amazon SQS. A batch call succeeds even if some entries failed, so the result of each entry is checked. */
export class AwsQueue implements QueuePort {
  readonly #options: AwsQueueOptions;

  constructor(options: AwsQueueOptions) {
    this.#options = options;
  }

  async send(queue: QueueName, messages: readonly NewMessage[]): Promise<void> {
    if (messages.length === 0) return;
    const fifo = isFifo(queue);
    const { Failed } = await this.#options.client.send(
      new SendMessageBatchCommand({
        QueueUrl: this.#url(queue),
        Entries: messages.map(({ group, dedup, body }, i) => ({
          Id: String(i),
          MessageBody: body,
          ...(fifo && { MessageGroupId: group, MessageDeduplicationId: dedup }),
        })),
      }),
    );
    throwIfFailed(`send to ${queue}`, Failed);
  }

  async receive(
    queue: QueueName,
    { max, visibilityMs, waitMs, signal }: { max: number; visibilityMs: number; waitMs: number; signal?: AbortSignal },
  ): Promise<Message[]> {
    const command = new ReceiveMessageCommand({
      QueueUrl: this.#url(queue),
      MaxNumberOfMessages: max,
      VisibilityTimeout: seconds(visibilityMs),
      WaitTimeSeconds: Math.min(20, seconds(waitMs)),
      MessageSystemAttributeNames: ["ApproximateReceiveCount", "MessageGroupId", "SentTimestamp"],
    });
    try {
      const { Messages = [] } = await this.#options.client.send(command, signal && { abortSignal: signal });
      return Messages.map(messageOf);
    } catch (error) {
      // Messages already on their way to an aborted call become visible again after the visibility timeout.
      if (signal?.aborted) return [];
      throw error;
    }
  }

  async remove(queue: QueueName, receipts: readonly string[]): Promise<void> {
    if (receipts.length === 0) return;
    const { Failed } = await this.#options.client.send(
      new DeleteMessageBatchCommand({
        QueueUrl: this.#url(queue),
        Entries: receipts.map((receipt, i) => ({ Id: String(i), ReceiptHandle: receipt })),
      }),
    );
    throwIfFailed(
      `remove from ${queue}`,
      Failed?.filter(({ Code }) => !isExpired(Code)),
    );
  }

  async delay(queue: QueueName, delays: readonly { receipt: string; ms: number }[]): Promise<void> {
    if (delays.length === 0) return;
    const { Failed } = await this.#options.client.send(
      new ChangeMessageVisibilityBatchCommand({
        QueueUrl: this.#url(queue),
        Entries: delays.map(({ receipt, ms }, i) => ({
          Id: String(i),
          ReceiptHandle: receipt,
          VisibilityTimeout: Math.min(longestDelaySeconds, seconds(ms)),
        })),
      }),
    );
    throwIfFailed(
      `delay on ${queue}`,
      Failed?.filter(({ Code }) => !isExpired(Code)),
    );
  }

  async depth(queue: QueueName): Promise<{ waiting: number; inFlight: number }> {
    const { Attributes = {} } = await this.#options.client.send(
      new GetQueueAttributesCommand({
        QueueUrl: this.#url(queue),
        AttributeNames: ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
      }),
    );
    return {
      waiting: Number(Attributes.ApproximateNumberOfMessages ?? 0),
      inFlight: Number(Attributes.ApproximateNumberOfMessagesNotVisible ?? 0),
    };
  }

  async holds(): Promise<undefined> {
    return undefined;
  }

  async startMove(from: DeadLetters, perSecond: number): Promise<void> {
    // SQS rejects a second task while one runs; the port promises that a second call changes nothing.
    if (await this.isMoving(from)) return;
    await this.#options.client.send(
      new StartMessageMoveTaskCommand({
        SourceArn: this.#arn(from),
        // Given explicitly, because messages that the connector itself sent to the outbox have no source queue.
        DestinationArn: this.#arn(originOf(from)),
        MaxNumberOfMessagesPerSecond: Math.max(1, Math.floor(perSecond)),
      }),
    );
  }

  async stopMove(from: DeadLetters): Promise<void> {
    const { client, clock } = this.#options;
    for (let check = 0; check < maxStopChecks; check++) {
      const task = await this.#task(from);
      if (!isRunning(task)) return;
      // A task with status CANCELLING cannot be cancelled again.
      if (task?.Status === "RUNNING")
        await client.send(new CancelMessageMoveTaskCommand({ TaskHandle: task.TaskHandle }));
      await clock.sleep(stopCheckMs);
    }
    throw new Error(
      `SQS is still moving ${from} ${(stopCheckMs * maxStopChecks) / 1_000} s after the move was cancelled`,
    );
  }

  async isMoving(from: DeadLetters): Promise<boolean> {
    return isRunning(await this.#task(from));
  }

  async processedUpTo(): Promise<undefined> {
    return undefined;
  }

  async stamp(count: number): Promise<Required<Arrival>[]> {
    const sentAt = this.#options.clock.now();
    return Array.from({ length: count }, (_, i) => ({ sentAt, stamp: sentAt * 1_000 + i }));
  }

  async #task(from: DeadLetters): Promise<ListMessageMoveTasksResultEntry | undefined> {
    const { Results = [] } = await this.#options.client.send(
      new ListMessageMoveTasksCommand({ SourceArn: this.#arn(from), MaxResults: 1 }),
    );
    return Results[0];
  }

  #url(queue: QueueName): string {
    return `${this.#options.queuesUrl}${queueNameOf(this.#options.deployment, queue)}`;
  }

  #arn(queue: QueueName): string {
    return `${this.#options.queuesArn}${queueNameOf(this.#options.deployment, queue)}`;
  }
}

function isRunning(task: ListMessageMoveTasksResultEntry | undefined): boolean {
  return task?.Status === "RUNNING" || task?.Status === "CANCELLING";
}

function isFifo(queue: QueueName): boolean {
  return queue.includes(":");
}

/** SQS takes whole seconds. Rounds up, so that no wait is shortened. */
function seconds(ms: number): number {
  return Math.ceil(ms / 1_000);
}

function messageOf({ MessageId, ReceiptHandle, Body, Attributes }: SqsMessage): Message {
  if (!MessageId || !ReceiptHandle) throw new Error("SQS gave a message without an id or a receipt");
  return {
    id: MessageId,
    group: Attributes?.MessageGroupId ?? MessageId,
    body: Body ?? "",
    receiveCount: Number(Attributes?.ApproximateReceiveCount ?? 1),
    sentAt: Number(Attributes?.SentTimestamp ?? 0),
    receipt: ReceiptHandle,
  };
}

/** True if a receipt has expired or its message is gone, which the port ignores. */
function isExpired(code: string | undefined): boolean {
  return code !== undefined && /ReceiptHandleIsInvalid|MessageNotInflight|InvalidParameterValue/.test(code);
}

/** @throws {Error} if any entry failed, with the operation and the error codes */
function throwIfFailed(operation: string, failed: readonly Failed[] = []): void {
  if (failed.length === 0) return;
  const codes = [...new Set(failed.map(({ Code }) => Code ?? "no code"))];
  throw new Error(`${operation}: SQS did not accept ${failed.length} of the batch (${codes.join(", ")})`);
}
