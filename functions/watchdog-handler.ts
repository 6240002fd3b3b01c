import type { Context } from "aws-lambda";
import type { Engine } from "../bridge/engine.ts";
import { runJobs } from "../bridge/jobs/job-runner.ts";
import { runWatchdog } from "../bridge/maintenance/watchdog.ts";

/** Time reserved before the function's timeout, so that a job can finish its page and write its checkpoint. */
const endMarginMs = 10_000;

/** Creates the watchdog's handler, which reconciles the table with the queues after crashes and then runs jobs. */
export function watchdogHandler(engine: Engine) {
  return async (_event: unknown, context: Pick<Context, "getRemainingTimeInMillis">): Promise<void> => {
    const until = engine.clock.now() + context.getRemainingTimeInMillis() - endMarginMs;
    await runWatchdog(engine);
    await runJobs(engine, () => engine.clock.now() < until);
  };
}
