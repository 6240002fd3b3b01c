import type { Context } from "aws-lambda";
import type { Engine } from "../bridge/engine.ts";
import { runJobs } from "../bridge/jobs/job-runner.ts";
import { runWatchdog } from "../bridge/maintenance/watchdog.ts";

/** A page of a job must be over, and its checkpoint written, before the function is. */
const endMarginMs = 10_000;

/** Mends what crashes have left between table and queues, then goes on with the jobs for as long as the call may take. */
export function watchdogHandler(engine: Engine) {
  return async (_event: unknown, context: Pick<Context, "getRemainingTimeInMillis">): Promise<void> => {
    const until = engine.clock.now() + context.getRemainingTimeInMillis() - endMarginMs;
    await runWatchdog(engine);
    await runJobs(engine, () => engine.clock.now() < until);
  };
}
