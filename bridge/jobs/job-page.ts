import type { QueueName } from "../ports/queue.ts";

/** Result of one page of a job. */
export interface JobPage {
  readonly looked: number;
  readonly made: number;
  /** Lines of a snapshot that are no events: number and reason. */
  readonly malformed?: readonly string[];
  /** Lanes in which the created packets wait. The next page waits until they have room. */
  readonly queues: ReadonlySet<QueueName>;
  /** The cursor behind it; absent behind the last page. */
  readonly after?: string;
}
