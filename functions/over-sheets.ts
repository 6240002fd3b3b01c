import { S3Client } from "@aws-sdk/client-s3";
import type { Context } from "aws-lambda";
import type { Engine } from "../bridge/ports.ts";
import { openSheets } from "../platform/aws/appconfig-sheets.ts";
import { openAwsEngine } from "../platform/aws/engine.ts";
import { AwsFiles } from "../platform/aws/files.ts";
import { deployedCatalog } from "./deployed.ts";
import { type MapperEnv, ownIn } from "./env.ts";

type Handler<Answer> = (event: unknown, context: Context) => Promise<Answer>;

/**
 * Makes the handler of a function that knows the sheets, and talks to no outside system. Each call works with the
 * sheets that are in force when it begins.
 */
export function overSheets<Answer>(handlerOver: (engine: Engine) => Handler<Answer>) {
  return async (env: MapperEnv, log: Engine["log"]): Promise<Handler<Answer>> => {
    const nothingSent = (): never => {
      throw new Error("this function sends nothing");
    };
    const sheets = await openSheets(env.DEPLOYMENT, log);
    const engine = await openAwsEngine({
      ...ownIn(env),
      files: new AwsFiles({ client: new S3Client(), places: env.PLACES }),
      catalog: await deployedCatalog(),
      sheets: () => sheets.current,
      publish: nothingSent,
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
