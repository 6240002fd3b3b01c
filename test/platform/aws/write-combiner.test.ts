import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { describe, expect, it } from "vitest";
import { putStatements } from "../../../platform/aws/partiql.ts";
import { WriteCombiner } from "../../../platform/aws/write-combiner.ts";
import { type Asked, awsServer, Refusal } from "../../support/aws-server.ts";

/** Starts a table that accepts every write for which `errorFor` returns no error code. The cursor `*` is a whole batch. */
async function aTable(errorFor: (cursor: string, asked: Asked) => string | undefined = () => undefined) {
  const cursorIn = ({ Parameters }: { Parameters: { S?: string }[] }) =>
    Parameters.find(({ S }) => S?.startsWith("cursor#"))?.S?.slice("cursor#".length) as string;
  const server = await awsServer((asked) => {
    if (asked.action !== "BatchExecuteStatement") {
      const code = errorFor(cursorIn(asked.body.TransactStatements?.[0] ?? asked.body), asked);
      return code === undefined ? {} : new Refusal(`${code}Exception`);
    }
    const whole = errorFor("*", asked);
    if (whole !== undefined) return new Refusal(whole);
    const statements = asked.body.Statements as { Parameters: { S?: string }[] }[];
    return {
      Responses: statements.map((statement) => {
        const Code = errorFor(cursorIn(statement), asked);
        return Code === undefined ? { TableName: "t" } : { Error: { Code } };
      }),
    };
  });
  const dynamo = new DynamoDBClient(server.client);
  const writer = new WriteCombiner(DynamoDBDocumentClient.from(dynamo));
  return {
    actions: () => server.asked.map(({ action }) => action),
    sizes: () => server.asked.map(({ body }) => body.Statements?.length ?? 1),
    write: (...cursors: string[]) => writer.write(cursors.flatMap(aPut)),
    async [Symbol.asyncDispose]() {
      dynamo.destroy();
      await server[Symbol.asyncDispose]();
    },
  };
}

const aPut = (id: string) => putStatements("t", { kind: "cursor", id, value: { position: "1" }, etag: 1 });
const names = (count: number) => Array.from({ length: count }, (_, i) => `c-${i}`);

describe("single-item writes", () => {
  it("sends up to 25 writes of one event loop turn in one request", async () => {
    await using table = await aTable();

    const written = await Promise.all(names(60).map((name) => table.write(name)));

    expect(new Set(written)).toEqual(new Set(["written"]));
    expect(table.actions()).toEqual(Array(3).fill("BatchExecuteStatement"));
    expect(table.sizes().toSorted()).toEqual([10, 25, 25]);
  });

  it("sends a single write without a batch", async () => {
    await using table = await aTable();

    await table.write("a");
    await table.write("b");

    expect(table.actions()).toEqual(["ExecuteStatement", "ExecuteStatement"]);
  });

  it("never puts two writes of the same item into one batch", async () => {
    await using table = await aTable();

    await Promise.all(["a", "b", "a", "c"].map((name) => table.write(name)));

    expect(table.sizes()).toEqual([2, 2]);
  });

  it.each(["ConditionalCheckFailed", "DuplicateItem", "TransactionConflict"])(
    "reports a conflict (%s) only for its own write in a batch",
    async (code) => {
      await using table = await aTable((cursor) => (cursor === "b" ? code : undefined));

      expect(await Promise.all(["a", "b", "c"].map((name) => table.write(name)))).toEqual([
        "written",
        "conflict",
        "written",
      ]);
      expect(table.actions()).toEqual(["BatchExecuteStatement"]);
    },
  );

  it.each(["ThrottlingError", "ProvisionedThroughputExceeded", "InternalServerError"])(
    "retries a single write that failed in a batch (%s)",
    async (code) => {
      await using table = await aTable((cursor, { action }) =>
        cursor === "b" && action === "BatchExecuteStatement" ? code : undefined,
      );

      expect(await Promise.all(["a", "b", "c"].map((name) => table.write(name)))).toEqual(Array(3).fill("written"));
      expect(table.actions()).toEqual(["BatchExecuteStatement", "ExecuteStatement"]);
    },
  );

  it("rejects a failed write alone, with the table's own error", async () => {
    await using table = await aTable((cursor) => (cursor === "b" ? "AccessDenied" : undefined));

    const written = await Promise.allSettled(["a", "b", "c"].map((name) => table.write(name)));

    expect(written.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(written[1]).toMatchObject({ reason: { name: "AccessDeniedException" } });
  });

  it("rejects all writes if the whole batch fails", async () => {
    await using table = await aTable((cursor) => (cursor === "*" ? "ResourceNotFoundException" : undefined));

    const written = await Promise.allSettled(["a", "b"].map((name) => table.write(name)));

    expect(written.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  });

  it("sends single writes without waiting for a transaction", async () => {
    await using table = await aTable();

    await Promise.all([table.write("a"), table.write("b", "c"), table.write("d")]);

    expect(table.actions().toSorted()).toEqual(["BatchExecuteStatement", "ExecuteTransaction"]);
  });
});
