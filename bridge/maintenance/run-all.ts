import type { Engine } from "../engine.ts";
import { errorName } from "../observability/log.ts";

/** Waits for independent tasks. A failure is logged and does not affect the others. */
export async function runAll(engine: Pick<Engine, "log">, tasks: readonly Promise<void>[]): Promise<void> {
  for (const task of await Promise.allSettled(tasks)) {
    if (task.status === "rejected") engine.log({ step: "keep-failed", error: errorName(task.reason) });
  }
}
