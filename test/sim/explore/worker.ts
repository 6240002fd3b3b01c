import { deliver } from "../../../bridge/delivery/deliver.ts";
import type { Engine } from "../../../bridge/engine.ts";
import { accept } from "../../../bridge/intake/accept.ts";
import { runJobs } from "../../../bridge/jobs/job-runner.ts";
import { runMaintenance } from "../../../bridge/maintenance/run-maintenance.ts";
import type { Message, QueueName } from "../../../bridge/ports/queue.ts";
import { workerOf } from "../process.ts";
import type { Work } from "./kind.ts";
import { acknowledge } from "./observed-queue.ts";

/**
 * One step of a schedule. `A` and `B` run the next call of a worker; `A!` runs it and loses its answer; `A?` runs it and
 * answers that it was a conflict; `A+` ends the worker before the call and begins it again; `+36s` advances the clock while
 * a worker waits at its call.
 */
export type Step = `${"A" | "B"}${"" | "!" | "?" | "+"}` | `+${number}s`;

/** Advances of the clock while a worker waits: past a lease, and past the visibility of a message. s */
export const advances = [36, 181] as const;

export interface WorkPlace {
  /** Id of the connector. */
  readonly connector: string;
  readonly owner: string;
  /** Messages that the worker has received before. */
  readonly given: readonly Message[];
}

/** Does one work. If it fails, the worker goes on with its next work, as a worker loop does. */
export async function doWork(engine: Engine, work: Work, { connector, owner, given }: WorkPlace): Promise<void> {
  if (typeof work === "function") return work(engine);
  if (work === "maintain") return runMaintenance(engine);
  if (work === "jobs") {
    let pages = 2;
    await runJobs(engine, () => pages-- > 0);
    return;
  }
  const queue: QueueName = work === "map" ? "inbox" : `lane:${connector}`;
  const max = work === "map" ? 1 : 10;
  const { visibilityMs } = engine.times;
  const messages = work === "redelivered" ? given : await engine.queue.receive(queue, { max, visibilityMs, waitMs: 0 });
  if (messages.length === 0) return;
  const dispositions =
    queue === "inbox"
      ? await accept(engine, messages)
      : await deliver(engine, workerOf(engine, connector, owner), messages);
  await acknowledge(engine, queue, dispositions);
}
