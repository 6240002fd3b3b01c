import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { S3Client } from "@aws-sdk/client-s3";
import type { Context } from "aws-lambda";
import type { Engine } from "../bridge/engine.ts";
import { createHttp, hostsIn } from "../connectors/protocols/http/client.ts";
import { openSheets } from "../platform/aws/appconfig-sheets.ts";
import { openAwsEngine } from "../platform/aws/engine.ts";
import { AwsPublisher } from "../platform/aws/eventbridge-publisher.ts";
import { AwsFiles } from "../platform/aws/files.ts";
import { createComplianceClient } from "../platform/compliance-client.ts";
import { type MapperEnv, ownIn } from "./env.ts";
import { deployedCatalog } from "./load-catalog.ts";

type Handler<Answer> = (event: unknown, context: Context) => Promise<Answer>;

/**
 * Makes the handler of a function that knows the sheets, and talks to no outside system. Each call works with the
 * sheets that are in force when it begins.
 */
export function createMapperEngine<Answer>(handlerOver: (engine: Engine) => Handler<Answer>) {
  return async (env: MapperEnv, log: Engine["log"]): Promise<Handler<Answer>> => {
    const nothingSent = (): never => {
      throw new Error("this function sends nothing");
    };
    const { GOVERNANCE: settings } = env;
    const publisher = new AwsPublisher(new EventBridgeClient(), env.BUS);
    const sheets = await openSheets(env.DEPLOYMENT, log);
    const engine = await openAwsEngine({
      ...ownIn(env),
      files: new AwsFiles({ client: new S3Client(), places: env.PLACES }),
      catalog: await deployedCatalog(),
      sheets: () => sheets.current,
      publish: async (events) => {
        await publisher.publish(events);
      },
      configOf: nothingSent,
      times: { retentionMs: env.PAYLOAD_RETENTION_DAYS * 86_400_000 },
      // To the compliance engine, where one is named; connectors have functions of their own.
      http: (config) => createHttp({ allowedHosts: hostsIn(config) }),
      ...(settings && {
        compliance: ({ http, ...means }) =>
          createComplianceClient({ settings, http: http("governance", settings), ...means }),
      }),
      log,
    });
    const handle = handlerOver(engine);
    return async (event, context) => {
      await sheets.refresh();
      return handle(event, context);
    };
  };
}
