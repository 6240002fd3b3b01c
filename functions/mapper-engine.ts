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
import { engineResourcesIn, type MapperEnv } from "./env.ts";
import { loadDeployedCatalog } from "./load-catalog.ts";

type Handler<Answer> = (event: unknown, context: Context) => Promise<Answer>;

/**
 * Opens the engine of a function that maps events and calls no target. Each invocation uses the sheets in force when it
 * begins.
 */
export function createMapperEngine<Answer>(makeHandler: (engine: Engine) => Handler<Answer>) {
  return async (env: MapperEnv, log: Engine["log"]): Promise<Handler<Answer>> => {
    const noConnectorConfig = (): never => {
      throw new Error("this function calls no target");
    };
    const { GOVERNANCE: settings } = env;
    const publisher = new AwsPublisher(new EventBridgeClient(), env.BUS);
    const sheets = await openSheets(env.DEPLOYMENT, log);
    const engine = await openAwsEngine({
      ...engineResourcesIn(env),
      files: new AwsFiles({ client: new S3Client(), places: env.PLACES }),
      catalog: await loadDeployedCatalog(),
      sheets: () => sheets.current,
      publish: async (events) => {
        await publisher.publish(events);
      },
      configOf: noConnectorConfig,
      times: { retentionMs: env.PAYLOAD_RETENTION_DAYS * 86_400_000 },
      // Used only for the compliance engine; each connector runs in its own function.
      http: (config) => createHttp({ allowedHosts: hostsIn(config) }),
      ...(settings && {
        compliance: ({ http, ...ports }) =>
          createComplianceClient({ settings, http: http("governance", settings), ...ports }),
      }),
      log,
    });
    const handle = makeHandler(engine);
    return async (event, context) => {
      await sheets.refresh();
      return handle(event, context);
    };
  };
}
