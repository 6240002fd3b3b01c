import type { Context } from "aws-lambda";
import type { Engine } from "../bridge/ports.ts";
import { openSheets } from "../platform/aws/appconfig-sheets.ts";
import { openAwsEngine } from "../platform/aws/engine.ts";
import { deployedCatalog } from "./deployed.ts";
import { type PathEnv, placesIn } from "./env.ts";

type Handler<Answer> = (event: unknown, context: Context) => Promise<Answer>;

/**
 * Makes the handler of a function that knows the sheets, and talks to no outside system. Each call works with the
 * sheets that are in force when it begins.
 */
export function overSheets<Answer>(handlerOver: (engine: Engine) => Handler<Answer>) {
  return async (env: PathEnv, log: Engine["log"]): Promise<Handler<Answer>> => {
    const nothingSent = (): never => {
      throw new Error("this function sends nothing");
    };
    const sheets = await openSheets(env.DEPLOYMENT, log);
    const engine = await openAwsEngine({
      ...placesIn(env),
      catalog: await deployedCatalog(),
      sheets: () => sheets.current,
      configOf: nothingSent,
      http: nothingSent,
      log,
    });
    const handle = handlerOver(engine);
    return async (event, context) => {
      await sheets.refresh();
      return handle(event, context);
    };
  };
}
