import type { Arrival } from "../model/acceptance.ts";

/** Message received from a queue. */
export interface Message extends Arrival {
  readonly id: string;
  /** The FIFO group. Messages of one group arrive in order and wait while one of them is in flight. */
  readonly group: string;
  readonly body: string;
  /** Number of receives, including this one. */
  readonly receiveCount: number;
  /** Identifies this receive in `remove` and `delay`. */
  readonly receipt: string;
}

export interface NewMessage {
  readonly group: string;
  /** False for a message of the inbox that has no place in the order of acceptance, because it is not an event. */
  readonly ordered?: false;
  /** A message with the same id within 5 min is dropped. The inbox is a standard queue and ignores it. */
  readonly dedup?: string;
  readonly body: string;
}

/** Dead-letter queues: a connector's outbox, and the one of the inbox. */
export type DeadLetters = "inbox-dead" | `outbox:${string}`;

/** The inbox, a connector's lane queue, or a dead-letter queue. */
export type QueueName = "inbox" | `lane:${string}` | DeadLetters;

/** Returns the queue that dead letters came from and are redriven to. */
export function originOf(from: DeadLetters): QueueName {
  return from === "inbox-dead" ? "inbox" : `lane:${from.slice("outbox:".length)}`;
}

/**
 * Number of receives after which a queue moves a message to its dead letters. Only a safety net: intake and delivery
 * decide themselves when to give up on a message.
 */
export const maxReceives = 30;

/** Limits of one call: number of messages, and UTF-8 bytes of all bodies. Source: Amazon SQS quotas. */
export const maxMessages = 10;
export const maxCallBytes = 1_048_576;

/**
 * Queues with the contract of Amazon SQS FIFO. One call takes at most `maxMessages` and `maxCallBytes`.
 *
 * Source: Amazon SQS Developer Guide, "FIFO queues".
 */
export interface QueuePort {
  /**
   * Sends messages, and resolves when all are stored.
   *
   * @throws if any is not stored. Sending again with the same `dedup` ids is safe for 5 min.
   */
  send(queue: QueueName, messages: readonly NewMessage[]): Promise<void>;
  /** Receives up to `max` messages, in order within a group. A group with a message in flight yields none. */
  receive(
    queue: QueueName,
    options: { max: number; visibilityMs: number; waitMs: number; signal?: AbortSignal },
  ): Promise<Message[]>;
  /** Acknowledges messages. An expired receipt is ignored. */
  remove(queue: QueueName, receipts: readonly string[]): Promise<void>;
  /** Makes messages visible again after `ms`; 0 means immediately. */
  delay(queue: QueueName, delays: readonly { receipt: string; ms: number }[]): Promise<void>;
  /** Counts messages waiting and in flight. The counts are approximate on AWS. */
  depth(queue: QueueName): Promise<{ waiting: number; inFlight: number }>;
  /** Returns true if a queue has a message of a group. `undefined` if it cannot be searched, as on AWS. */
  holds(queue: QueueName, group: string): Promise<boolean | undefined>;
  /**
   * Starts moving all dead letters back to the queue they came from, oldest first, at most `perSecond`.
   * Only one move runs at a time; a start during a move has no effect.
   */
  startMove(from: DeadLetters, perSecond: number): Promise<void>;
  /** Stops a running move, and resolves once it has stopped. Has no effect if none is running. */
  stopMove(from: DeadLetters): Promise<void>;
  isMoving(from: DeadLetters): Promise<boolean>;
  /**
   * Returns a position in the order of acceptance, before which all messages of the inbox have been processed. `undefined`
   * if the inbox cannot be searched, as on AWS.
   */
  processedUpTo(): Promise<number | undefined>;
  /** Returns the arrivals of events that are recorded now without having been in the inbox, in their order. */
  stamp(count: number): Promise<readonly Required<Arrival>[]>;
}
