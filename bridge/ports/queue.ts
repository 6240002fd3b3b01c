/** A message as it came off a queue. */
export interface Message {
  readonly id: string;
  /** The FIFO group: messages of one group come in order, and wait while one of them is in flight. */
  readonly group: string;
  readonly body: string;
  /** 1 the first time. */
  readonly receiveCount: number;
  /** Names this receipt, for `remove` and `delay`. */
  readonly receipt: string;
}

export interface NewMessage {
  readonly group: string;
  /** The same id within 5 min is swallowed. The inbox, a standard queue, knows none. */
  readonly dedup?: string;
  readonly body: string;
}

/** Where a queue's messages go that could not be worked through: a connector's outbox, or what the inbox gave up. */
export type DeadLetters = "inbox-dead" | `outbox:${string}`;

/** The inbox, a connector's lane queue, or where what they cannot get rid of waits. */
export type QueueName = "inbox" | `lane:${string}` | DeadLetters;

/** The queue that dead letters came from, and go back to. */
export function originOf(from: DeadLetters): QueueName {
  return from === "inbox-dead" ? "inbox" : `lane:${from.slice("outbox:".length)}`;
}

/** Where a message goes that was received this often and never removed. Only a net: giving up is the path's own act. */
export const maxReceives = 30;

/** Messages in one call, and the bytes of UTF-8 of all their bodies. Source: Amazon SQS quotas. */
export const maxMessages = 10;
export const maxCallBytes = 1_048_576;

/**
 * Queues by the contract of Amazon SQS FIFO: `maxMessages` and `maxCallBytes` a call.
 *
 * Source: Amazon SQS Developer Guide, "FIFO queues".
 */
export interface QueuePort {
  /** Resolves when all are stored. @throws where any is not; sending the same again is safe for 5 min */
  send(queue: QueueName, messages: readonly NewMessage[]): Promise<void>;
  /** Up to `max` messages, in order within a group; a group with a message in flight gives none. */
  receive(
    queue: QueueName,
    options: { max: number; visibilityMs: number; waitMs: number; signal?: AbortSignal },
  ): Promise<Message[]>;
  /** Acknowledges. A receipt whose time has run out is ignored. */
  remove(queue: QueueName, receipts: readonly string[]): Promise<void>;
  /** Makes messages visible again after a delay: 0 at once. */
  delay(queue: QueueName, delays: readonly { receipt: string; ms: number }[]): Promise<void>;
  /** Messages waiting and in flight; on AWS approximate. */
  depth(queue: QueueName): Promise<{ waiting: number; inFlight: number }>;
  /**
   * Begins to move all dead letters back to the queue they came from, oldest first, at most `perSecond`.
   * One move at a time; beginning another while one runs changes nothing.
   */
  startMove(from: DeadLetters, perSecond: number): Promise<void>;
  /** Ends a move where it is; resolves when nothing moves any more. Without a move nothing happens. */
  stopMove(from: DeadLetters): Promise<void>;
  isMoving(from: DeadLetters): Promise<boolean>;
}
