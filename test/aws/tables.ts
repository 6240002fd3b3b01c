import { randomUUID } from "node:crypto";
import { CreateTableCommand, DeleteTableCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { packetIndexes } from "../../platform/aws/names.ts";

/** Names of the tables that one test uses. Disposing of them deletes the tables. */
export interface Tables extends AsyncDisposable {
  readonly packets: string;
  readonly ledger: string;
}

/** Creates the tables like the state stack. */
export async function createTables(dynamo: DynamoDBClient): Promise<Tables> {
  const [packets, ledger] = [`packets-${randomUUID()}`, `ledger-${randomUUID()}`];
  const key = (hash: string, range: string) => [
    { AttributeName: hash, KeyType: "HASH" as const },
    { AttributeName: range, KeyType: "RANGE" as const },
  ];
  const index = (IndexName: string, attribute: string) => ({
    IndexName,
    KeySchema: key(`${attribute}Shard`, `${attribute}At`),
    Projection: { ProjectionType: "KEYS_ONLY" as const },
  });
  const texts = ["pk", "sk", "timeShard", "timeAt", "waitingShard", "waitingAt"];
  await dynamo.send(
    new CreateTableCommand({
      TableName: packets,
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: key("pk", "sk"),
      AttributeDefinitions: texts.map((AttributeName) => ({ AttributeName, AttributeType: "S" })),
      GlobalSecondaryIndexes: [index(packetIndexes.byTime, "time"), index(packetIndexes.waiting, "waiting")],
    }),
  );
  await dynamo.send(
    new CreateTableCommand({
      TableName: ledger,
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: key("pk", "sk"),
      AttributeDefinitions: [
        { AttributeName: "pk", AttributeType: "S" },
        { AttributeName: "sk", AttributeType: "N" },
      ],
    }),
  );
  return {
    packets,
    ledger,
    async [Symbol.asyncDispose]() {
      for (const TableName of [packets, ledger]) await dynamo.send(new DeleteTableCommand({ TableName }));
    },
  };
}
