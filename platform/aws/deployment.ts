import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { GetParametersCommand, SSMClient } from "@aws-sdk/client-ssm";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import type { Engine } from "../../bridge/engine.ts";
import type { Evidence } from "../../bridge/ledger/sealed-entries.ts";
import { readTimes } from "../../bridge/model/timings.ts";
import { systemClock } from "../clock.ts";
import { AwsPublisher } from "./eventbridge-publisher.ts";
import { openLedgerSeals } from "./ledger-seals.ts";
import { type Parameter, parameterOf } from "./names.ts";
import { readBridgeKey } from "./secrets.ts";
import { AwsStore } from "./store.ts";

/**
 * Opens the ledger of a deployment for reading. Uses the AWS SDK's default region and credentials, which must be an
 * operator's.
 *
 * @throws {Error} if this account and region have no deployment of that name
 */
export async function openDeployedLedger(
  deployment: string,
): Promise<Pick<Engine, "store" | "bridgeKey" | "clock" | "times"> & { evidence: Evidence }> {
  const parameters = await readParameters(deployment, [
    "packets-table",
    "ledger-table",
    "ledger-bucket",
    "bridge-key",
    "seal-key",
  ]);
  const clock = systemClock();
  const client = DynamoDBDocumentClient.from(new DynamoDBClient());
  return {
    store: new AwsStore({
      client,
      packetsTable: parameters["packets-table"],
      ledgerTable: parameters["ledger-table"],
      clock,
    }),
    bridgeKey: await readBridgeKey(new SecretsManagerClient(), parameters["bridge-key"]),
    clock,
    times: readTimes(),
    evidence: await openLedgerSeals(parameters["ledger-bucket"], parameters["seal-key"]),
  };
}

/**
 * Opens the bus that a deployment reads, for publishing events in the way HMS services do.
 *
 * @throws {Error} if this account and region have no deployment of that name
 */
export async function openDeployedBus(deployment: string): Promise<AwsPublisher> {
  const { bus } = await readParameters(deployment, ["bus"]);
  return new AwsPublisher(new EventBridgeClient(), bus);
}

/** Reads parameters that a deployment's stacks have written to Parameter Store. */
async function readParameters<P extends Parameter>(
  deployment: string,
  parameters: readonly P[],
): Promise<Readonly<Record<P, string>>> {
  const names = parameters.map((parameter) => parameterOf(deployment, parameter));
  const { Parameters = [] } = await new SSMClient().send(new GetParametersCommand({ Names: names }));
  const entries = names.map((name, i) => {
    const value = Parameters.find(({ Name }) => Name === name)?.Value;
    if (!value)
      throw new Error(`Parameter Store has no ${name}; is ${deployment} deployed in this account and region?`);
    return [parameters[i], value] as const;
  });
  return Object.fromEntries(entries) as Record<P, string>;
}
