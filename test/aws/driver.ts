import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { S3Client } from "@aws-sdk/client-s3";
import { SSMClient } from "@aws-sdk/client-ssm";
import type { Engine } from "../../bridge/engine.ts";
import { Catalog } from "../../bridge/model/connector.ts";
import { eventKey, type SourceEvent } from "../../bridge/model/event.ts";
import type { PacketRecord } from "../../bridge/model/packet-record.ts";
import { openAwsEngine } from "../../platform/aws/engine.ts";
import { AwsPublisher } from "../../platform/aws/eventbridge-publisher.ts";
import { AwsFiles } from "../../platform/aws/files.ts";
import { openDeployedApi } from "../../platform/aws/signed-fetch.ts";
import { account, region } from "./emulator/emulator.ts";
import { createUser, type IamUser } from "./iam-user.ts";
import { rosterPlace } from "./journal.ts";
import type { Stage } from "./stage.ts";

const deployment = "hms-bridge";

export interface ApiResponse {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a response of the API, whose own tests check its schemas
  readonly body: any;
}

/** Acts as an HMS service and as an operator on the deployed bridge. */
export interface Driver {
  /** Engine on the deployed queues and tables, for inspection. */
  readonly engine: Engine;
  /** Publishes events. @returns their keys */
  publish(...events: readonly SourceEvent[]): Promise<string[]>;
  /** Invokes a function by its name without the deployment's. Without an event it acts like the schedule. */
  invoke(name: string, event?: unknown): Promise<void>;
  /** IAM user with the operators' policy. */
  readonly operator: IamUser;
  /** Calls the operator API with a signed request. */
  callApi(method: "GET" | "POST", path: string, body?: unknown): Promise<ApiResponse>;
  /** Returns the packets of events, oldest first. */
  packetsOf(...events: readonly SourceEvent[]): Promise<PacketRecord[]>;
  /** Returns true once no message is waiting or in flight in the inbox or a lane. */
  isQuiet(): Promise<boolean>;
}

/** @param connectors ids of all deployed connectors */
export async function driverOf(stage: Stage, connectors: readonly string[]): Promise<Driver> {
  const unsupported = (): never => {
    throw new Error("only the deployed functions support this");
  };
  const { "packets-table": packetsTable = "", "ledger-table": ledgerTable = "" } = stage.parameters;
  const engine = await openAwsEngine({
    deployment,
    packetsTable,
    ledgerTable,
    bridgeKey: stage.parameters["bridge-key"] ?? "",
    queuesUrl: `https://sqs.${region}.amazonaws.com/${account}/`,
    queuesArn: `arn:aws:sqs:${region}:${account}:`,
    files: new AwsFiles({ client: new S3Client(), places: [rosterPlace] }),
    catalog: new Catalog([]),
    sheets: unsupported,
    publish: unsupported,
    configOf: unsupported,
    http: unsupported,
    log: () => {},
  });
  const publisher = new AwsPublisher(new EventBridgeClient(), deployment);
  const lambda = new LambdaClient();
  const operator = await createUser("jo", `${deployment}-operator`);
  const { credentials } = operator;
  const api = await openDeployedApi(deployment, new SSMClient({ credentials }));
  return {
    engine,
    operator,
    publish: (...events) => publisher.publish(events),
    async invoke(name, event = {}) {
      const command = new InvokeCommand({ FunctionName: `${deployment}-${name}`, Payload: JSON.stringify(event) });
      const { FunctionError } = await lambda.send(command);
      if (FunctionError) throw new Error(`${name} failed; see the emulator's log`);
    },
    async callApi(method, path, body) {
      const request = body === undefined ? {} : { body: JSON.stringify(body) };
      const headers: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
      const answer = await api(path, { method, headers, ...request });
      return { status: answer.status, body: await answer.json() };
    },
    async packetsOf(...events) {
      const keys = new Set(events.map(eventKey));
      // Starts at the oldest of them, because the emulator lists packets slowly.
      const from = Math.min(...events.map(({ time }) => (time ? Date.parse(time) : 0)));
      const { items } = await engine.store.packets({ from, limit: 1_000 });
      return items.filter(({ packet }) => keys.has(packet.event));
    },
    async isQuiet() {
      for (const queue of ["inbox", ...connectors.map((id) => `lane:${id}` as const)] as const) {
        const { waiting, inFlight } = await engine.queue.depth(queue);
        if (waiting + inFlight > 0) return false;
      }
      return true;
    },
  };
}
