import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { SQSClient } from "@aws-sdk/client-sqs";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import type { Catalog, Http } from "../../bridge/connector.ts";
import type { CompliancePort, Engine, FilesPort } from "../../bridge/ports.ts";
import type { SheetSet } from "../../bridge/sheets.ts";
import { readTimes, type Times } from "../../bridge/times.ts";
import { systemClock, systemRandom } from "../clock.ts";
import { httpClients } from "../http-clients.ts";
import { AwsQueue } from "./queue.ts";
import { AwsSecrets, readBridgeKey } from "./secrets.ts";
import { AwsStore } from "./store.ts";

export interface AwsOptions {
  /** The name everything of this deployment begins with. */
  readonly deployment: string;
  readonly packetsTable: string;
  readonly ledgerTable: string;
  /** The secret that holds the bridge's own key. */
  readonly bridgeKey: string;
  readonly queuesUrl: string;
  readonly queuesArn: string;
  readonly files: FilesPort;
  readonly catalog: Catalog;
  readonly sheets: () => SheetSet;
  readonly publish: Engine["publish"];
  /** Reaches the compliance engine that is asked besides the policy, where there is one. */
  readonly compliance?:
    | ((means: Pick<Engine, "http" | "secrets" | "bridgeKey" | "clock">) => CompliancePort)
    | undefined;
  readonly configOf: (connector: string) => unknown;
  readonly http: (config: unknown) => Http;
  readonly times?: Partial<Times> | undefined;
  readonly log: Engine["log"];
}

/** The engine on AWS: region, credentials, endpoints and FIPS as the SDK finds them in its environment. */
export async function openAwsEngine(options: AwsOptions): Promise<Engine> {
  const { deployment, packetsTable, ledgerTable, queuesUrl, queuesArn, files, catalog, sheets, publish, configOf } =
    options;
  // The endpoint is the region's, or FIPS; a queue's URL only names the queue.
  const sqs = new SQSClient({ useQueueUrlAsEndpoint: false });
  const secrets = new SecretsManagerClient();
  const dynamo = DynamoDBDocumentClient.from(new DynamoDBClient());
  const clock = systemClock();
  const kept = new AwsSecrets({ client: secrets, deployment, clock });
  const http = httpClients(options.http);
  const bridgeKey = await readBridgeKey(secrets, options.bridgeKey);
  return {
    clock,
    random: systemRandom,
    queue: new AwsQueue({ client: sqs, deployment, queuesUrl, queuesArn, clock }),
    store: new AwsStore({ client: dynamo, packetsTable, ledgerTable, clock }),
    secrets: kept,
    files,
    sheets,
    publish,
    catalog,
    configOf,
    http,
    bridgeKey,
    compliance: options.compliance?.({ http, secrets: kept, bridgeKey, clock }),
    times: readTimes({ tickMs: 60_000, ...options.times }),
    log: options.log,
  };
}
