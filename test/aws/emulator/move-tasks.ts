import { randomUUID } from "node:crypto";
import {
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import * as z from "zod";

/** Source: Amazon SQS API reference, `StartMessageMoveTask`. */
const startSchema = z.object({
  SourceArn: z.string().startsWith("arn:"),
  DestinationArn: z.string().startsWith("arn:"),
  MaxNumberOfMessagesPerSecond: z.int().min(1).max(500).default(500),
});
const listSchema = z.object({ SourceArn: z.string(), MaxResults: z.int().min(1).max(10).default(1) });
const cancelSchema = z.object({ TaskHandle: z.string() });

interface Task {
  readonly handle: string;
  readonly source: string;
  readonly destination: string;
  readonly perSecond: number;
  readonly started: number;
  status: "RUNNING" | "COMPLETED" | "CANCELLING" | "CANCELLED" | "FAILED";
  moved: number;
}

/** An error with the code that SQS returns. */
export class SqsError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const tickMs = 20;

/**
 * Implements message move tasks, which the emulator lacks. It receives messages from the source, sends them to the
 * destination and deletes them, at the requested rate.
 *
 * Follows the SQS documentation: the source must be a dead-letter queue, a source has one task at a time, the ten newest
 * tasks are listed, and a moved message is a new message. Its deduplication id is the previous message id, as for
 * messages that SQS moves to a dead-letter queue; SQS does not document the id for the opposite direction.
 */
export class MoveTasks {
  readonly #client: SQSClient;
  readonly #now: () => number;
  readonly #tasks: Task[] = [];
  #ended = false;

  constructor(client: SQSClient, now: () => number) {
    this.#client = client;
    this.#now = now;
  }

  /** Returns true for the operations of message move tasks. */
  static serves(operation: string): boolean {
    return /^(Start|List|Cancel)MessageMoveTasks?$/.test(operation);
  }

  async answer(operation: string, input: unknown): Promise<Record<string, unknown>> {
    switch (operation) {
      case "StartMessageMoveTask":
        return this.#start(read(startSchema, input));
      case "ListMessageMoveTasks":
        return this.#list(read(listSchema, input));
      default:
        return this.#cancel(read(cancelSchema, input));
    }
  }

  end(): void {
    this.#ended = true;
  }

  async #start(input: z.output<typeof startSchema>): Promise<Record<string, unknown>> {
    const source = await this.#urlOf(input.SourceArn);
    const destination = await this.#urlOf(input.DestinationArn);
    if (!(await this.#isDeadLetterQueue(input.SourceArn))) {
      throw new SqsError("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.");
    }
    if (this.#tasks.some((task) => task.source === input.SourceArn && isActive(task))) {
      throw new SqsError("UnsupportedOperation", "There is already a task running for this source queue.");
    }
    const task: Task = {
      handle: handleOf(input.SourceArn),
      source: input.SourceArn,
      destination: input.DestinationArn,
      perSecond: input.MaxNumberOfMessagesPerSecond,
      started: this.#now(),
      status: "RUNNING",
      moved: 0,
    };
    this.#tasks.unshift(task);
    void this.#run(task, source, destination).catch(() => {
      task.status = "FAILED";
    });
    return { TaskHandle: task.handle };
  }

  #list({ SourceArn, MaxResults }: z.output<typeof listSchema>): Record<string, unknown> {
    const own = this.#tasks.filter(({ source }) => source === SourceArn).slice(0, MaxResults);
    return {
      Results: own.map(({ handle, source, destination, perSecond, started, status, moved }) => ({
        ...(status === "RUNNING" && { TaskHandle: handle }),
        Status: status,
        SourceArn: source,
        DestinationArn: destination,
        MaxNumberOfMessagesPerSecond: perSecond,
        ApproximateNumberOfMessagesMoved: moved,
        StartedTimestamp: started,
      })),
    };
  }

  #cancel({ TaskHandle }: z.output<typeof cancelSchema>): Record<string, unknown> {
    const task = this.#tasks.find(({ handle, status }) => handle === TaskHandle && status === "RUNNING");
    if (!task) throw new SqsError("ResourceNotFoundException", "There is no running task with this handle.");
    task.status = "CANCELLING";
    return { ApproximateNumberOfMessagesMoved: task.moved };
  }

  async #run(task: Task, source: string, destination: string): Promise<void> {
    while (task.status === "RUNNING" && !this.#ended) {
      const due = Math.floor(((this.#now() - task.started) / 1_000) * task.perSecond) - task.moved;
      if (due > 0 && !(await this.#move(task, source, destination, Math.min(10, due)))) break;
      if (due <= 10) await new Promise((resolve) => setTimeout(resolve, tickMs));
    }
    task.status = task.status === "CANCELLING" ? "CANCELLED" : "COMPLETED";
  }

  /** @returns false if no messages are left */
  async #move(task: Task, source: string, destination: string, most: number): Promise<boolean> {
    const { Messages = [] } = await this.#client.send(
      new ReceiveMessageCommand({
        QueueUrl: source,
        MaxNumberOfMessages: most,
        MessageSystemAttributeNames: ["MessageGroupId"],
      }),
    );
    if (Messages.length === 0) return false;
    await this.#client.send(
      new SendMessageBatchCommand({
        QueueUrl: destination,
        Entries: Messages.map(({ MessageId, Body, Attributes }, i) => ({
          Id: String(i),
          MessageBody: Body,
          MessageGroupId: Attributes?.MessageGroupId,
          MessageDeduplicationId: MessageId,
        })),
      }),
    );
    await this.#client.send(
      new DeleteMessageBatchCommand({
        QueueUrl: source,
        Entries: Messages.map(({ ReceiptHandle }, i) => ({ Id: String(i), ReceiptHandle })),
      }),
    );
    task.moved += Messages.length;
    return true;
  }

  /** Checks all queues, because the emulator also lacks `ListDeadLetterSourceQueues`. */
  async #isDeadLetterQueue(arn: string): Promise<boolean> {
    const { QueueUrls = [] } = await this.#client.send(new ListQueuesCommand({ MaxResults: 1_000 }));
    const policies = await Promise.all(
      QueueUrls.map(async (QueueUrl) => {
        const asked = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["RedrivePolicy"] });
        return (await this.#client.send(asked)).Attributes?.RedrivePolicy ?? "";
      }),
    );
    return policies.some((policy) => policy.includes(JSON.stringify(arn)));
  }

  async #urlOf(arn: string): Promise<string> {
    const { QueueUrl } = await this.#client.send(new GetQueueUrlCommand({ QueueName: arn.split(":").at(-1) }));
    return QueueUrl as string;
  }
}

/** Returns a task handle that contains the source queue, as SQS does. */
function handleOf(sourceArn: string): string {
  return Buffer.from(JSON.stringify({ taskId: randomUUID(), sourceArn })).toString("base64");
}

/** Returns the source queue of a task handle. */
export function sourceIn(handle: string): string {
  return String((JSON.parse(Buffer.from(handle, "base64").toString()) as { sourceArn?: unknown }).sourceArn);
}

function isActive({ status }: Task): boolean {
  return status === "RUNNING" || status === "CANCELLING";
}

function read<T>(schema: z.ZodType<T>, input: unknown): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new SqsError("InvalidParameterValue", `${issue?.path.join(".")}: ${issue?.message}`);
}
