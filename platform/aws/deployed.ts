import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { GetParametersCommand, SSMClient } from "@aws-sdk/client-ssm";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import type { Engine } from "../../bridge/ports.ts";
import type { Evidence } from "../../bridge/sealed.ts";
import { readTimes } from "../../bridge/times.ts";
import { systemClock } from "../clock.ts";
import { parameterOf } from "./names.ts";
import { openSealing } from "./sealing.ts";
import { readBridgeKey } from "./secrets.ts";
import { AwsStore } from "./store.ts";

const told = ["packets-table", "ledger-table", "ledger-bucket", "bridge-key", "seal-key"] as const;

/**
 * A deployed ledger, to be read by whoever has an operator's credentials: region and credentials as the SDK finds them.
 *
 * @throws where no deployment has that name here
 */
export async function openDeployedLedger(
  deployment: string,
): Promise<Pick<Engine, "store" | "bridgeKey" | "clock" | "times"> & { evidence: Evidence }> {
  const names = told.map((what) => parameterOf(deployment, what));
  const { Parameters = [] } = await new SSMClient().send(new GetParametersCommand({ Names: names }));
  const toldOf = (what: (typeof told)[number]): string => {
    const value = Parameters.find(({ Name }) => Name === parameterOf(deployment, what))?.Value;
    if (!value) {
      throw new Error(
        `Parameter Store has no ${parameterOf(deployment, what)}; is ${deployment} deployed in this account and region?`,
      );
    }
    return value;
  };
  const clock = systemClock();
  const client = DynamoDBDocumentClient.from(new DynamoDBClient());
  return {
    store: new AwsStore({
      client,
      packetsTable: toldOf("packets-table"),
      ledgerTable: toldOf("ledger-table"),
      clock,
    }),
    bridgeKey: await readBridgeKey(new SecretsManagerClient(), toldOf("bridge-key")),
    clock,
    times: readTimes(),
    evidence: await openSealing(toldOf("ledger-bucket"), toldOf("seal-key")),
  };
}
