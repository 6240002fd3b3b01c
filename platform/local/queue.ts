import type { Arrival } from "../../bridge/model/acceptance.ts";
import type { Clock } from "../../bridge/ports/clock.ts";
import {
  type DeadLetters,
  type Message,
  maxCallBytes,
  maxMessages,
  maxReceives,
  type NewMessage,
  originOf,
  type QueueName,
  type QueuePort,
} from "../../bridge/ports/queue.ts";
import type { Database } from "./database.ts";
import { FifoOrder } from "./fifo-order.ts";
import { unexpired } from "./write-operations.ts";

/** Source: Amazon SQS, "Exactly-once processing": the deduplication interval. */
const dedupMs = 5 * 60_000;

interface Row {
  readonly seq: number;
  readonly queue: QueueName;
  readonly lane: string;
  readonly receives: number;
}

/** A message taken from a lane, without its body. */
type Taken = ReturnType<FifoOrder["take"]>[number];

/**
 * SQS FIFO on SQLite. The contract is in `QueuePort`.
 *
 * Messages are in the table. Their delivery order is in memory and is rebuilt when the store is opened, so any process
 * may send, but only the one that holds the runner lock may receive.
 */
export class LocalQueue implements QueuePort {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #queues = new Map<QueueName, FifoOrder>();
  /** Deduplication ids with their expiry by `Clock.elapsed`, in order of expiry. */
  readonly #dedup = new Map<string, number>();
  /** Writes in progress, by deduplication id. */
  readonly #sending = new Map<string, Promise<unknown>>();
  /** Every message up to this sequence number is in memory or has been removed. */
  #readUpTo = 0;
  readonly #moves = new Map<DeadLetters, { readonly ended: Promise<void>; readonly stop: AbortController }>();
  readonly #ended = new AbortController();

  constructor(db: Database, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
    const now = clock.now();
    const known = db.sql(`SELECT id, until FROM dedup WHERE ${unexpired} ORDER BY seq`).all({ now, dedupMs });
    for (const { id, until } of known) this.#dedup.set(id as string, clock.elapsed() + (until as number) - now);
    this.refresh();
  }

  #lanes(queue: QueueName): FifoOrder {
    let lanes = this.#queues.get(queue);
    if (!lanes) {
      lanes = new FifoOrder(this.#clock, queue === "inbox");
      this.#queues.set(queue, lanes);
    }
    return lanes;
  }

  /** Loads messages that other processes have sent. */
  refresh(): void {
    const rows = this.#db
      .sql("SELECT seq, queue, lane, receives FROM messages WHERE seq > ? ORDER BY seq")
      .all(this.#readUpTo) as unknown as Row[];
    for (const { queue, lane, ...message } of rows) this.#lanes(queue).add(lane, message);
    this.#readUpTo = rows.at(-1)?.seq ?? this.#readUpTo;
  }

  async send(queue: QueueName, messages: readonly NewMessage[]): Promise<void> {
    checkBatch(messages.length);
    checkSize(queue, messages);
    const until = this.#clock.elapsed() + dedupMs;
    // A duplicate of a message that is still being written succeeds or fails with that write.
    const inProgress = messages.map(({ dedup }) => this.#sending.get(`${queue} ${dedup}`));
    const fresh = messages.filter(({ dedup }) => dedup === undefined || this.#isNew(`${queue} ${dedup}`, until));
    await Promise.all([...inProgress, this.#store(queue, fresh)]);
  }

  async #store(queue: QueueName, fresh: readonly NewMessage[]): Promise<void> {
    if (fresh.length === 0) return;
    const now = this.#clock.now();
    const until = now + dedupMs;
    const dedup = fresh.flatMap((message) =>
      message.dedup === undefined ? [] : [{ id: `${queue} ${message.dedup}`, until }],
    );
    try {
      const sent = fresh.map(({ dedup: _, group, ...message }) => ({ lane: group, ...message }));
      const writing = this.#db.write({ op: "send", queue, messages: sent, dedup, now });
      for (const { id } of dedup) this.#sending.set(id, writing);
      const { seqs } = await writing;
      this.#add(queue, sent, seqs);
    } catch (error) {
      // Nothing was stored, so a retry must not count as a duplicate.
      for (const { id } of dedup) this.#dedup.delete(id);
      throw error;
    } finally {
      for (const { id } of dedup) this.#sending.delete(id);
    }
  }

  #isNew(id: string, until: number): boolean {
    if ((this.#dedup.get(id) ?? 0) > this.#clock.elapsed()) return false;
    this.#dedup.delete(id);
    this.#dedup.set(id, until);
    return true;
  }

  #add(queue: QueueName, messages: readonly { readonly lane: string }[], seqs: readonly number[] = []): void {
    for (const [i, { lane }] of messages.entries()) {
      const seq = seqs[i];
      if (!seq) continue;
      this.#lanes(queue).add(lane, { seq, receives: 0 });
      if (seq === this.#readUpTo + 1) this.#readUpTo = seq;
    }
  }

  async receive(
    queue: QueueName,
    { max, visibilityMs, waitMs, signal }: { max: number; visibilityMs: number; waitMs: number; signal?: AbortSignal },
  ): Promise<Message[]> {
    checkBatch(max);
    const until = this.#clock.elapsed() + waitMs;
    for (;;) {
      const messages = this.#take(queue, max, visibilityMs);
      const now = this.#clock.elapsed();
      if (messages.length > 0 || now >= until || signal?.aborted || this.#ended.signal.aborted) return messages;
      await this.#lanes(queue).change(until - now, signal);
    }
  }

  #take(queue: QueueName, max: number, visibilityMs: number): Message[] {
    const taken = this.#lanes(queue).take(max, visibilityMs);
    if (taken.length === 0) return [];
    const isExhausted = ({ receives }: Taken) => receives > maxReceives && hasDeadLetters(queue);
    for (const { lane, seq } of taken.filter(isExhausted)) void this.#moveToDeadLetters(queue, lane, seq);
    const messages = this.#db.snapshot(() =>
      taken.filter((one) => !isExhausted(one)).flatMap((one) => this.#read(one) ?? []),
    );
    // Not awaited, because the receive count on disk matters only if the message crashes the process.
    if (messages.length > 0) {
      this.#db.write({ op: "received", seqs: messages.map(({ receipt }) => seqOf(receipt)) }).catch(() => {});
    }
    return messages;
  }

  #read({ lane, seq, receives }: Taken): Message | undefined {
    const row = this.#db.sql("SELECT body, stamp, sent_at FROM messages WHERE seq = ?").get(seq);
    return (
      row && {
        id: `msg-${seq}`,
        group: lane,
        body: row.body as string,
        receiveCount: receives,
        receipt: receiptOf(seq, receives),
        sentAt: row.sent_at as number,
        ...(row.stamp !== null && { stamp: row.stamp as number }),
      }
    );
  }

  async #moveToDeadLetters(queue: QueueName, lane: string, seq: number): Promise<void> {
    await this.#moveMessages(queue, deadLetterOf(queue), [{ lane, seq }]).catch(() => {});
  }

  async #moveMessages(
    from: QueueName,
    to: QueueName,
    messages: readonly { lane: string; seq: number }[],
  ): Promise<void> {
    const { seqs } = await this.#db.write({ op: "move", queue: to, messages });
    for (const { seq } of messages) this.#lanes(from).remove(seq);
    this.#add(to, messages, seqs);
  }

  async remove(queue: QueueName, receipts: readonly string[]): Promise<void> {
    checkBatch(receipts.length);
    const lanes = this.#lanes(queue);
    const held = receipts.filter((receipt) => lanes.holds(seqOf(receipt), receivesOf(receipt))).map(seqOf);
    if (held.length === 0) return;
    await this.#db.write({ op: "remove", seqs: held });
    for (const seq of held) lanes.remove(seq);
  }

  async delay(queue: QueueName, delays: readonly { receipt: string; ms: number }[]): Promise<void> {
    checkBatch(delays.length);
    const lanes = this.#lanes(queue);
    for (const { receipt, ms } of delays) {
      if (lanes.holds(seqOf(receipt), receivesOf(receipt))) lanes.delay(seqOf(receipt), ms);
    }
  }

  async depth(queue: QueueName): Promise<{ waiting: number; inFlight: number }> {
    return this.#lanes(queue).depth();
  }

  async holds(queue: QueueName, group: string): Promise<boolean> {
    return this.#lanes(queue).has(group);
  }

  /** Returns true if the inbox and all lanes are empty, whichever process works on them. */
  isQuiet(): boolean {
    const waiting = "SELECT 1 FROM messages WHERE queue = 'inbox' OR queue GLOB 'lane:*' LIMIT 1";
    return this.#db.sql(waiting).get() === undefined;
  }

  async startMove(from: DeadLetters, perSecond: number): Promise<void> {
    if (this.#moves.has(from)) return;
    const stop = new AbortController();
    const ended = this.#move(from, perSecond, AbortSignal.any([stop.signal, this.#ended.signal]))
      .catch(() => {})
      .finally(() => this.#moves.delete(from));
    this.#moves.set(from, { ended, stop });
  }

  async stopMove(from: DeadLetters): Promise<void> {
    const move = this.#moves.get(from);
    move?.stop.abort();
    await move?.ended;
  }

  async isMoving(from: DeadLetters): Promise<boolean> {
    return this.#moves.has(from);
  }

  /**
   * Moves the messages that were in the queue at the start, in small batches so that other writes do not wait long.
   * Messages that return in the meantime stay; otherwise they would circulate for as long as the target is down.
   */
  async #move(from: DeadLetters, perSecond: number, signal: AbortSignal): Promise<void> {
    const batchSize = Math.min(maxMessages, Math.max(1, Math.floor(perSecond / 10)));
    const last = this.#lanes(from).newest();
    let due = this.#clock.now();
    while (!signal.aborted) {
      const oldest = this.#lanes(from).oldest(batchSize, last);
      if (oldest.length === 0) return;
      await this.#moveMessages(from, originOf(from), oldest);
      // After a slow write, the rate does not rise to make up the lost time.
      due = Math.max(due + (1_000 * oldest.length) / perSecond, this.#clock.now());
      await this.#clock.sleep(due - this.#clock.now(), signal);
    }
  }

  async processedUpTo(): Promise<number> {
    const first = "SELECT min(stamp) AS stamp FROM messages WHERE queue = 'inbox'";
    return (this.#db.sql(first).get()?.stamp as number | null) ?? Number.POSITIVE_INFINITY;
  }

  async stamp(count: number): Promise<Required<Arrival>[]> {
    const sentAt = this.#clock.now();
    const { seqs = [] } = await this.#db.write({ op: "stamp", count, now: sentAt });
    return seqs.map((stamp) => ({ sentAt, stamp }));
  }

  /** Removes expired deduplication ids. */
  async purgeExpired(): Promise<void> {
    for (const [id, until] of this.#dedup) {
      if (until > this.#clock.elapsed()) break;
      this.#dedup.delete(id);
    }
    await this.#db.write({ op: "purgeExpired", now: this.#clock.now(), dedupMs });
  }

  /** Ends all waits and moves. */
  async end(): Promise<void> {
    this.#ended.abort();
    for (const lanes of this.#queues.values()) lanes.wake();
    await Promise.all([...this.#moves.values()].map(({ ended }) => ended));
  }
}

function deadLetterOf(queue: QueueName): QueueName {
  return queue === "inbox" ? "inbox-dead" : `outbox:${queue.slice("lane:".length)}`;
}

/** Returns true for the inbox and lanes. Dead-letter queues have no dead-letter queue of their own. */
function hasDeadLetters(queue: QueueName): boolean {
  return queue === "inbox" || queue.startsWith("lane:");
}

function receiptOf(seq: number, receives: number): string {
  return `${seq}.${receives}`;
}

function seqOf(receipt: string): number {
  return Number(receipt.split(".")[0]);
}

function receivesOf(receipt: string): number {
  return Number(receipt.split(".")[1]);
}

function checkBatch(count: number): void {
  if (count > maxMessages) throw new RangeError(`${count} messages in one call; SQS accepts at most ${maxMessages}`);
}

function checkSize(queue: QueueName, messages: readonly NewMessage[]): void {
  if (messages.reduce((sum, { body }) => sum + body.length, 0) * 3 <= maxCallBytes) return;
  const bytes = messages.reduce((sum, { body }) => sum + Buffer.byteLength(body), 0);
  if (bytes > maxCallBytes)
    throw new RangeError(`${bytes} bytes in one call to ${queue}; SQS accepts at most ${maxCallBytes}`);
}
