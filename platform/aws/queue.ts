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

/** The longest a message can be put off. Source: `ChangeMessageVisibility`, 12 hours. */
const longestDelaySeconds = 43_200;

export interface AwsQueueOptions {
  readonly client: SQSClient;
  /** The name all of this bridge's queues begin with. */
  readonly deployment: string;
  /** Where the account's queues are: `https://sqs.us-gov-west-1.amazonaws.com/123456789012/`. */
  readonly queuesUrl: string;
  /** The same place as an ARN: `arn:aws-us-gov:sqs:us-gov-west-1:123456789012:`. */
  readonly queuesArn: string;
  readonly clock: Pick<Clock, "sleep">;
}

/** How long a move may take to end after it was cancelled. */
const stopWaitMs = 250;
const stopWaits = 20;

/** One entry of a batch that SQS did not take. */
interface Failed {
  readonly Id?: string | undefined;
  readonly Code?: string | undefined;
}

/** Amazon SQS. A batch call succeeds even where entries in it failed, so each entry's own result is looked at. */
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
    refuseFailed(`send to ${queue}`, Failed);
  }

  async receive(
    queue: QueueName,
    { max, visibilityMs, waitMs, signal }: { max: number; visibilityMs: number; waitMs: number; signal?: AbortSignal },
  ): Promise<Message[]> {
    const asked = new ReceiveMessageCommand({
      QueueUrl: this.#url(queue),
      MaxNumberOfMessages: max,
      VisibilityTimeout: seconds(visibilityMs),
      WaitTimeSeconds: Math.min(20, seconds(waitMs)),
      MessageSystemAttributeNames: ["ApproximateReceiveCount", "MessageGroupId"],
    });
    try {
      const { Messages = [] } = await this.#options.client.send(asked, signal && { abortSignal: signal });
      return Messages.map(messageOf);
    } catch (error) {
      // What was on its way to a reader that has gone is visible again when its time is over.
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
    refuseFailed(
      `remove from ${queue}`,
      Failed?.filter(({ Code }) => !isOver(Code)),
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
    refuseFailed(
      `delay on ${queue}`,
      Failed?.filter(({ Code }) => !isOver(Code)),
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

  async startMove(from: DeadLetters, perSecond: number): Promise<void> {
    // SQS refuses a second task while one runs, and this port says that it then changes nothing.
    if (await this.isMoving(from)) return;
    await this.#options.client.send(
      new StartMessageMoveTaskCommand({
        SourceArn: this.#arn(from),
        // Named, because a message that the connector put there itself has no queue it came from.
        DestinationArn: this.#arn(originOf(from)),
        MaxNumberOfMessagesPerSecond: Math.max(1, Math.floor(perSecond)),
      }),
    );
  }

  async stopMove(from: DeadLetters): Promise<void> {
    const { client, clock } = this.#options;
    for (let wait = 0; wait < stopWaits; wait++) {
      const task = await this.#task(from);
      if (!isRunning(task)) return;
      // Cancelling takes a moment, in which it cannot be cancelled again.
      if (task?.Status === "RUNNING")
        await client.send(new CancelMessageMoveTaskCommand({ TaskHandle: task.TaskHandle }));
      await clock.sleep(stopWaitMs);
    }
    throw new Error(`SQS goes on moving ${from} though it was told to stop`);
  }

  async isMoving(from: DeadLetters): Promise<boolean> {
    return isRunning(await this.#task(from));
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

/** SQS counts whole seconds; a wait is never cut short. */
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
    receipt: ReceiptHandle,
  };
}

/** A receipt whose time has run out, or whose message is gone: the port ignores it. */
function isOver(code: string | undefined): boolean {
  return code !== undefined && /ReceiptHandleIsInvalid|MessageNotInflight|InvalidParameterValue/.test(code);
}

function refuseFailed(what: string, failed: readonly Failed[] = []): void {
  if (failed.length === 0) return;
  const codes = [...new Set(failed.map(({ Code }) => Code ?? "no code"))];
  throw new Error(`${what}: SQS did not take ${failed.length} of the batch (${codes.join(", ")})`);
}
