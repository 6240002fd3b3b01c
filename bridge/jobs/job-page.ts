import type { QueueName } from "../ports/queue.ts";

/** What one page of a job came to. */
export interface JobPage {
  readonly looked: number;
  readonly made: number;
  /** Lines of a snapshot that are no events: number and reason. */
  readonly malformed?: readonly string[];
  /** Where what it made waits: there must be room before the next page. */
  readonly queues: ReadonlySet<QueueName>;
  /** The cursor behind it; absent behind the last page. */
  readonly after?: string;
}
