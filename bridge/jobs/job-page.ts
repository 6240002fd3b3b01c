import type { QueueName } from "../ports/queue.ts";

/** Result of one page of a job. */
export interface JobPage {
  /** Packets, events or lines scanned. */
  readonly looked: number;
  /** Packets created or changed. */
  readonly made: number;
  /** Invalid lines of a snapshot, each with its number and the reason. */
  readonly malformed?: readonly string[];
  /** Queues that received messages. The next page waits until they have room. */
  readonly queues: ReadonlySet<QueueName>;
  /** Cursor of the next page; absent after the last one. */
  readonly after?: string;
}
