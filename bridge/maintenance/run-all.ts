import type { Engine } from "../engine.ts";
import { errorName } from "../observability/log.ts";

/** Waits for rounds that know nothing of each other: what fails in one is told, and keeps no other from going on. */
export async function runAll(engine: Pick<Engine, "log">, rounds: readonly Promise<void>[]): Promise<void> {
  for (const round of await Promise.allSettled(rounds)) {
    if (round.status === "rejected") engine.log({ step: "keep-failed", error: errorName(round.reason) });
  }
}
