import middy from "@middy/core";
import type { Context } from "aws-lambda";
import type { Engine } from "../bridge/engine.ts";
import { openEventBridgeAlerts } from "../platform/aws/eventbridge-alerts.ts";
import type { EveryEnv } from "./env.ts";
import { createTelemetry, type Telemetry } from "./telemetry.ts";

type Handler<Answer> = (event: unknown, context: Context) => Promise<Answer>;

/**
 * What every function is entered by: its environment read, its handler made, its log lines, metrics and alerts put out.
 *
 * All of it happens at the first call, because nothing does I/O at import; where it fails, the next call tries again.
 *
 * @param read the function's environment
 * @param make its handler, which says what it does by `log`
 */
export function createHandler<Env extends EveryEnv, Answer>(
  read: (env: NodeJS.ProcessEnv) => Env,
  make: (env: Env, log: Engine["log"]) => Promise<Handler<Answer>>,
): Handler<Answer> {
  const open = onceMade(async () => {
    const env = read(process.env);
    const alerts = env.BUS === undefined ? undefined : openEventBridgeAlerts(env.DEPLOYMENT, env.BUS);
    const teller = createTelemetry(env.DEPLOYMENT, env.LOG_LEVEL, alerts);
    return { teller, handle: await make(env, teller.log) };
  });
  let telling: Telemetry | undefined;
  // After a fault too, and before Lambda ends a call that takes too long: what it has said it has done.
  const tell = () => telling?.end();
  return middy(async (event: unknown, context: Context) => (await open()).handle(event, context))
    .before(async ({ context }) => {
      telling = (await open()).teller;
      telling.begin(context);
    })
    .after(tell)
    .onError(tell);
}

/** Makes a thing once. Where that fails, the next who asks makes it anew. */
function onceMade<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}
