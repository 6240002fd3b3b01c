import type { Engine } from "../engine.ts";
import { errorName } from "../observability/log.ts";

/** Waits for independent tasks. A failure is logged and does not affect the others. */
export async function runAll(engine: Pick<Engine, "log">, rounds: readonly Promise<void>[]): Promise<void> {
  for (const round of await Promise.allSettled(rounds)) {
    if (round.status === "rejected") engine.log({ step: "keep-failed", error: errorName(round.reason) });
  }
}
