import middy from "@middy/core";
import type { Context } from "aws-lambda";
import type { Engine } from "../bridge/engine.ts";
import { openEventBridgeAlerts } from "../platform/aws/eventbridge-alerts.ts";
import type { EveryEnv } from "./env.ts";
import { createTelemetry, type Telemetry } from "./telemetry.ts";

type Handler<Answer> = (event: unknown, context: Context) => Promise<Answer>;

/**
 * Creates a Lambda entry point. It reads the environment, creates the handler, and emits its logs, metrics and alerts.
 *
 * Initialization runs on the first invocation, because modules do no I/O at import. If it fails, the next invocation
 * tries again.
 *
 * @param read parses the function's environment variables
 * @param make creates the handler, which logs its work with `log`
 */
export function createHandler<Env extends EveryEnv, Answer>(
  read: (env: NodeJS.ProcessEnv) => Env,
  make: (env: Env, log: Engine["log"]) => Promise<Handler<Answer>>,
): Handler<Answer> {
  const open = memoize(async () => {
    const env = read(process.env);
    const alerts = env.BUS === undefined ? undefined : openEventBridgeAlerts(env.DEPLOYMENT, env.BUS);
    const telemetry = createTelemetry(env.DEPLOYMENT, env.LOG_LEVEL, alerts);
    return { telemetry, handle: await make(env, telemetry.log) };
  });
  let telemetry: Telemetry | undefined;
  // Also runs after an error and shortly before Lambda's timeout, so that completed work is always reported.
  const flush = () => telemetry?.end();
  return middy(async (event: unknown, context: Context) => (await open()).handle(event, context))
    .before(async ({ context }) => {
      telemetry = (await open()).telemetry;
      telemetry.begin(context);
    })
    .after(flush)
    .onError(flush);
}

/** Calls `make` once and keeps its result. A failure is not kept: the next call tries again. */
function memoize<T>(make: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= make().catch((error: unknown) => {
      result = undefined;
      throw error;
    });
    return result;
  };
}
