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
import { openSealing } from "./ledger-seals.ts";
import { type Parameter, parameterOf } from "./names.ts";
import { readBridgeKey } from "./secrets.ts";
import { AwsStore } from "./store.ts";

/**
 * A deployed ledger, to be read by whoever has an operator's credentials: region and credentials as the SDK finds them.
 *
 * @throws where no deployment has that name here
 */
export async function openDeployedLedger(
  deployment: string,
): Promise<Pick<Engine, "store" | "bridgeKey" | "clock" | "times"> & { evidence: Evidence }> {
  const told = await toldBy(deployment, ["packets-table", "ledger-table", "ledger-bucket", "bridge-key", "seal-key"]);
  const clock = systemClock();
  const client = DynamoDBDocumentClient.from(new DynamoDBClient());
  return {
    store: new AwsStore({
      client,
      packetsTable: told["packets-table"],
      ledgerTable: told["ledger-table"],
      clock,
    }),
    bridgeKey: await readBridgeKey(new SecretsManagerClient(), told["bridge-key"]),
    clock,
    times: readTimes(),
    evidence: await openSealing(told["ledger-bucket"], told["seal-key"]),
  };
}

/**
 * The bus a deployment listens to, to be published on as HMS services do.
 *
 * @throws where no deployment has that name here
 */
export async function openDeployedBus(deployment: string): Promise<AwsPublisher> {
  const { bus } = await toldBy(deployment, ["bus"]);
  return new AwsPublisher(new EventBridgeClient(), bus);
}

/** What a deployment's stacks have written to Parameter Store. */
async function toldBy<What extends Parameter>(
  deployment: string,
  whats: readonly What[],
): Promise<Readonly<Record<What, string>>> {
  const names = whats.map((what) => parameterOf(deployment, what));
  const { Parameters = [] } = await new SSMClient().send(new GetParametersCommand({ Names: names }));
  const entries = names.map((name, i) => {
    const value = Parameters.find(({ Name }) => Name === name)?.Value;
    if (!value)
      throw new Error(`Parameter Store has no ${name}; is ${deployment} deployed in this account and region?`);
    return [whats[i], value] as const;
  });
  return Object.fromEntries(entries) as Record<What, string>;
}
