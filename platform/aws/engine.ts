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

export interface AwsPlaces {
  /** The name everything of this deployment begins with. */
  readonly deployment: string;
  readonly packetsTable: string;
  readonly ledgerTable: string;
  readonly queuesUrl: string;
  readonly queuesArn: string;
}

export interface AwsOptions extends AwsPlaces {
  /** The secret that holds the bridge's own key. */
  readonly bridgeKey: string;
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

/** What the door for outside systems needs: it makes no packet, and so knows no key and no sheets. */
export function openAwsDoor(places: AwsPlaces, { catalog, log }: Pick<Engine, "catalog" | "log">): InboundContext {
  return { ...portsOf(places, new SecretsManagerClient()), catalog, log };
}

function portsOf(
  { deployment, packetsTable, ledgerTable, queuesUrl, queuesArn }: AwsPlaces,
  secrets: SecretsManagerClient,
): Pick<Engine, "clock" | "queue" | "store" | "secrets"> {
  // The endpoint is the region's, or FIPS; a queue's URL only names the queue.
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
