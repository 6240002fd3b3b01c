import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { SQSClient } from "@aws-sdk/client-sqs";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import type { Engine } from "../../bridge/engine.ts";
import type { CompliancePort } from "../../bridge/governance/compliance-engine.ts";
import type { InboundContext } from "../../bridge/inbound/receive-webhook.ts";
import type { SheetSet } from "../../bridge/mapping/sheet-set.ts";
import type { Catalog, Http } from "../../bridge/model/connector.ts";
import { readTimes, type Times } from "../../bridge/model/timings.ts";
import type { FilesPort } from "../../bridge/ports/files.ts";
import { systemClock, systemRandom } from "../clock.ts";
import { createHttpClientCache } from "../http-client-cache.ts";
import { AwsQueue } from "./queue.ts";
import { AwsSecrets, readBridgeKey } from "./secrets.ts";
import { AwsStore } from "./store.ts";

/** Names of the AWS resources that every engine uses. */
export interface AwsResources {
  /** Name prefix of every resource in this deployment. */
  readonly deployment: string;
  readonly packetsTable: string;
  readonly ledgerTable: string;
  readonly queuesUrl: string;
  readonly queuesArn: string;
}

export interface AwsOptions extends AwsResources {
  /** Name of the secret that holds the bridge's own key. */
  readonly bridgeKey: string;
  readonly files: FilesPort;
  readonly catalog: Catalog;
  readonly sheets: () => SheetSet;
  readonly publish: Engine["publish"];
  /** Creates the client of the external compliance engine. Absent if only the policy decides. */
  readonly compliance?:
    | ((ports: Pick<Engine, "http" | "secrets" | "bridgeKey" | "clock">) => CompliancePort)
    | undefined;
  readonly configOf: (connector: string) => unknown;
  readonly http: (config: unknown) => Http;
  readonly times?: Partial<Times> | undefined;
  readonly log: Engine["log"];
}

/** Opens the engine on AWS. Region, credentials, endpoints and FIPS come from the SDK's environment. */
export async function openAwsEngine(options: AwsOptions): Promise<Engine> {
  const { files, catalog, sheets, publish, configOf } = options;
  const client = new SecretsManagerClient();
  const ports = portsOf(options, client);
  const { clock, secrets } = ports;
  const http = createHttpClientCache(options.http);
  const bridgeKey = await readBridgeKey(client, options.bridgeKey);
  return {
    ...ports,
    random: systemRandom,
    files,
    sheets,
    publish,
    catalog,
    configOf,
    http,
    bridgeKey,
    compliance: options.compliance?.({ http, secrets, bridgeKey, clock }),
    times: readTimes({ tickMs: 60_000, ...options.times }),
    log: options.log,
  };
}

/** Opens the ports of the inbound endpoint. It makes no packets, so it needs neither the bridge's key nor the sheets. */
export function openAwsInbound(
  resources: AwsResources,
  { catalog, log }: Pick<Engine, "catalog" | "log">,
): InboundContext {
  return { ...portsOf(resources, new SecretsManagerClient()), catalog, log };
}

function portsOf(
  { deployment, packetsTable, ledgerTable, queuesUrl, queuesArn }: AwsResources,
  secrets: SecretsManagerClient,
): Pick<Engine, "clock" | "queue" | "store" | "secrets"> {
  // Calls go to the regional or FIPS endpoint; a queue's URL only names the queue.
  const sqs = new SQSClient({ useQueueUrlAsEndpoint: false });
  const dynamo = DynamoDBDocumentClient.from(new DynamoDBClient());
  const clock = systemClock();
  return {
    clock,
    queue: new AwsQueue({ client: sqs, deployment, queuesUrl, queuesArn, clock }),
    store: new AwsStore({ client: dynamo, packetsTable, ledgerTable, clock }),
    secrets: new AwsSecrets({ client: secrets, deployment, clock }),
  };
}
