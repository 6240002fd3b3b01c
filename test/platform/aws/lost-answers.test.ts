import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { describe, expect, it } from "vitest";
import type { Put } from "../../../bridge/ports/store.ts";
import { AwsStore } from "../../../platform/aws/store.ts";
import { aBeginning } from "../../support/builders.ts";
import { ManualClock } from "../../support/clock.ts";

type Attributes = Record<string, { readonly S?: string; readonly N?: string }>;

interface Statement {
  readonly Statement: string;
  readonly Parameters: Attributes[string][];
}

interface Transaction {
  readonly TransactStatements: Statement[];
  readonly ClientRequestToken: string;
}

/** A table that executes the store's PartiQL. */
function aTable() {
  const items = new Map<string, Attributes>();
  const tokens = new Set<string>();
  const keyOf = ({ pk, sk }: Attributes) => `${pk?.S} ${sk?.S}`;
  /** Executes a statement. Returns the code of its error, if any. */
  const execute = ({ Statement: text, Parameters: values }: Statement): string | undefined => {
    if (text.startsWith("INSERT")) {
      const names = [...text.matchAll(/'(\w+)': \?/g)].map(([, name]) => name as string);
      const item = Object.fromEntries(names.map((name, i) => [name, values[i]])) as Attributes;
      if (items.has(keyOf(item))) return "DuplicateItem";
      items.set(keyOf(item), item);
      return undefined;
    }
    const names = [...text.matchAll(/"(\w+)"=\?/g)].map(([, name]) => name as string);
    const changes = Object.fromEntries(names.slice(0, -3).map((name, i) => [name, values[i]]));
    const [pk, sk, etag] = values.slice(-3);
    const item = items.get(`${pk?.S} ${sk?.S}`);
    if (item?.etag?.N !== etag?.N) return "ConditionalCheckFailed";
    items.set(`${pk?.S} ${sk?.S}`, { ...item, ...changes } as Attributes);
    return undefined;
  };
  const answers: Record<string, (body: never) => { readonly status?: number; readonly body: object }> = {
    ExecuteStatement(body: Statement) {
      const code = execute(body);
      return code === undefined ? { body: {} } : { status: 400, body: { __type: `${code}Exception` } };
    },
    BatchExecuteStatement({ Statements }: { Statements: Statement[] }) {
      const Responses = Statements.map((statement) => {
        const Code = execute(statement);
        return Code === undefined ? { TableName: "t" } : { Error: { Code } };
      });
      return { body: { Responses } };
    },
    ExecuteTransaction({ TransactStatements, ClientRequestToken: token }: Transaction) {
      // DynamoDB repeats its first answer to a token.
      for (const statement of tokens.has(token) ? [] : TransactStatements) execute(statement);
      tokens.add(token);
      return { body: {} };
    },
    BatchGetItem({ RequestItems }: { RequestItems: Record<string, { Keys: Attributes[] }> }) {
      const found = (keys: Attributes[]) => keys.flatMap((key) => items.get(keyOf(key)) ?? []);
      const Responses = Object.fromEntries(Object.entries(RequestItems).map(([name, { Keys }]) => [name, found(Keys)]));
      return { body: { Responses } };
    },
  };
  return (action: string, body: never) =>
    answers[action]?.(body) ?? { status: 400, body: { __type: "UnknownOperationException" } };
}

/** A table on loopback that applies a write and drops its answer if asked to. */
async function aLossyTable() {
  const answerTo = aTable();
  const actions: string[] = [];
  let dropsNext = false;
  const server = http.createServer(async (request, response) => {
    const action = String(request.headers["x-amz-target"]).split(".").at(-1) as string;
    actions.push(action);
    const body = JSON.parse(Buffer.concat(await request.toArray()).toString()) as never;
    const answer: { readonly status?: number; readonly body: object } = answerTo(action, body);
    if (dropsNext && action !== "BatchGetItem") {
      dropsNext = false;
      request.socket.destroy();
      return;
    }
    response.writeHead(answer.status ?? 200, { "content-type": "application/x-amz-json-1.0" });
    response.end(JSON.stringify(answer.body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = new DynamoDBClient({
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: "us-gov-west-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  });
  const documents = DynamoDBDocumentClient.from(client);
  return {
    actions,
    aStore: () =>
      new AwsStore({ client: documents, packetsTable: "packets", ledgerTable: "ledger", clock: new ManualClock() }),
    /** Applies the next write and closes the connection without an answer. */
    loseNext() {
      dropsNext = true;
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const aCursor = (id: string, position: string, etag = 0): Put => ({ kind: "cursor", id, value: { position }, etag });

describe("a repeated write to DynamoDB after a lost answer", () => {
  it.each([0, 1])("succeeds if it stands alone, at etag %i", async (etag) => {
    await using table = await aLossyTable();
    const store = table.aStore();
    if (etag > 0) await store.write([aCursor("a", "0")]);
    table.actions.length = 0;
    table.loseNext();

    expect(await store.write([aCursor("a", "1", etag)])).toBe("written");
    expect(table.actions).toEqual(["ExecuteStatement", "ExecuteStatement", "BatchGetItem"]);
    expect(await store.read("cursor", ["a"])).toEqual([{ value: { position: "1" }, etag: etag + 1 }]);
  });

  it("succeeds if it shares a batch with others", async () => {
    await using table = await aLossyTable();
    const store = table.aStore();
    table.loseNext();

    const written = await Promise.all(["a", "b", "c"].map((id) => store.write([aCursor(id, "1")])));

    expect(written).toEqual(["written", "written", "written"]);
    expect(table.actions.filter((action) => action === "BatchExecuteStatement")).toHaveLength(2);
  });

  it("succeeds if it claims a packet", async () => {
    await using table = await aLossyTable();
    const store = table.aStore();
    const { record, entry } = aBeginning();
    await store.write([{ kind: "packet", id: record.packet.id, value: record, etag: 0 }], [entry]);
    table.loseNext();
    const progress = { ...record.progress, lease: { owner: "o.1", until: 1 } };

    const claim: Put = { kind: "packet", id: record.packet.id, value: { ...record, progress }, etag: 1 };
    expect(await store.write([claim])).toBe("written");
    expect(await store.write([claim])).toBe("written");
    const other = { ...progress, lease: { owner: "o.2", until: 1 } };
    expect(await store.write([{ ...claim, value: { ...record, progress: other } }])).toBe("conflict");
  });

  it("needs no reading back if it is a transaction", async () => {
    await using table = await aLossyTable();
    const { record, entry } = aBeginning();
    table.loseNext();

    const written = await table
      .aStore()
      .write([{ kind: "packet", id: record.packet.id, value: record, etag: 0 }], [entry]);

    expect(written).toBe("written");
    expect(table.actions).toEqual(["ExecuteTransaction", "ExecuteTransaction"]);
  });
});

describe("a lost race for a write to DynamoDB", () => {
  it("ends in a conflict even if the other process wrote an equal value", async () => {
    await using table = await aLossyTable();

    expect(await table.aStore().write([aCursor("a", "1")])).toBe("written");
    expect(await table.aStore().write([aCursor("a", "1")])).toBe("conflict");
  });

  it("ends in a conflict even if its answer is lost too", async () => {
    await using table = await aLossyTable();
    await table.aStore().write([aCursor("a", "1")]);
    table.loseNext();

    expect(await table.aStore().write([aCursor("a", "1")])).toBe("conflict");
  });
});
