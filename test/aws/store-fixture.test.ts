import { createSecretKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { BatchWriteCommand, DynamoDBDocumentClient, ScanCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyLedger } from "../../bridge/ledger/verify.ts";
import type { Connector } from "../../bridge/model/connector.ts";
import type { Progress } from "../../bridge/model/packet-record.ts";
import { redriveNow, resume } from "../../bridge/operations/connector-operations.ts";
import { discard } from "../../bridge/operations/discard.ts";
import type { QueueName } from "../../bridge/ports/queue.ts";
import { createHttp, hostsIn } from "../../connectors/protocols/http/client.ts";
import { loadCatalog } from "../../library/bridge.ts";
import { itself } from "../../platform/aws/partiql.ts";
import { AwsStore } from "../../platform/aws/store.ts";
import { type LocalEngine, openLocalEngine } from "../../platform/local/engine.ts";
import { checkSettings } from "../../platform/local/settings.ts";
import { readFolder, readSet } from "../../platform/local/sheet-watcher.ts";
import type { LocalStore } from "../../platform/local/store.ts";
import { startWorkerLoops } from "../../platform/local/worker-loops.ts";
import { fixtureConnectors, fixtureTargets } from "../fixtures/stores/fixture-connectors.ts";
import { acceptingTarget } from "../support/accepting-target.ts";
import { type Emulator, region, rootCredentials, startEmulator } from "./emulator/emulator.ts";
import { type Gateway, openGateway } from "./emulator/gateway.ts";
import { createTables, type Tables } from "./tables.ts";

/**
 * Puts the items of an earlier release into the emulator's tables, and goes on with them. The queues are the embedded
 * engine's, because items are the subject, and SQS keeps messages as they are.
 */
const release = join(import.meta.dirname, "..", "fixtures", "stores", "2a54c69");

type Item = Readonly<Record<string, unknown>>;

interface Message {
  readonly queue: QueueName;
  readonly group: string;
  readonly body: string;
}

const by = { actor: "test", reason: "the test continues" };
const centuryMs = 100 * 365 * 86_400_000;
/** Intervals that leave the emulator time to work, and a retention so long that no payload is erased. */
const times = { backoffMs: [20, 40], tickMs: 1_000, probeMs: 500, redriveMs: 500, retentionMs: centuryMs };

let gateway: Gateway;
let emulator: Emulator;
let client: DynamoDBDocumentClient;

beforeAll(async () => {
  gateway = await openGateway(() => Date.now());
  emulator = await startEmulator({ auth: false, functionsEndpoint: gateway.url });
  gateway.emulatorPort = emulator.port;
  const dynamo = new DynamoDBClient({ region, credentials: rootCredentials, endpoint: gateway.url });
  client = DynamoDBDocumentClient.from(dynamo);
});

afterAll(async () => {
  client?.destroy();
  await emulator?.[Symbol.asyncDispose]();
  await gateway?.[Symbol.asyncDispose]();
});

describe("table with the items of release 2a54c69", { tags: "row-41" }, () => {
  it("has every record in the state that the release left it in", { timeout: 60_000 }, async () => {
    await using fixture = await putItems();
    const { items, entries, store } = fixture;
    const packets = items.filter(({ pk, sk }) => idOf(pk, "packet") !== undefined && sk === itself);
    const events = items.filter(({ pk, sk }) => idOf(pk, "event") !== undefined && sk === itself);

    const [foundPackets, foundEvents] = await Promise.all([
      store.read(
        "packet",
        packets.map(({ pk }) => idOf(pk, "packet") as string),
      ),
      store.read(
        "event",
        events.map(({ pk }) => idOf(pk, "event") as string),
      ),
    ]);
    const jobs = await store.jobs({ limit: 200 });
    const { fault, entries: verified } = await verifyLedger(await fixture.engine("http://127.0.0.1:9"));

    expect(foundPackets.map((stored) => stored?.value.progress.status)).toEqual(packets.map(({ status }) => status));
    expect(foundEvents.map((stored) => stored?.value.status)).toEqual(events.map(({ status }) => status));
    expect(jobs).toHaveLength(items.filter(({ pk }) => pk === "job").length);
    expect(fault).toBeUndefined();
    expect(verified).toBe(entries.length);
  });

  it("delivers all packets, in order in strict lanes, and keeps no place in a lane", {
    timeout: 180_000,
  }, async () => {
    await using target = await acceptingTarget();
    await using fixture = await putItems();
    const { items, store, messages } = fixture;
    const statusOf = (item: Item) => (JSON.parse(item.progress as string) as Progress).status;
    const packets = items.filter(({ progress }) => progress !== undefined);
    const waiting = packets
      .filter((item) => ["QUEUED", "RETRY"].includes(statusOf(item)))
      .map(({ pk }) => idOf(pk, "packet") as string);
    const heads = items
      .filter(({ pk }) => idOf(pk, "lane") !== undefined)
      .map(({ id }) => id as string)
      .filter((id) => packets.some((item) => item.pk === `packet#${id}` && statusOf(item) === "HELD"));
    const engine = await fixture.engine(target.url);
    for (const { queue, group, body } of messages) await engine.queue.send(queue, [{ group, body }]);

    const loops = startWorkerLoops(engine);
    for (const id of engine.catalog.ids) {
      const connector = engine.catalog.get(id) as Connector;
      await resume(engine, connector, by);
      await redriveNow(engine, connector, by);
    }
    for (const head of heads) await discard(engine, head, by);
    const left = async () => {
      const { packets: counts, events } = await store.tally();
      const running = await store.jobs({ running: true, limit: 200 });
      return counts.QUEUED + counts.RETRY + events.EXPANDING + running.length;
    };
    await expect.poll(left, { timeout: 120_000, interval: 1_000 }).toBe(0);
    await loops?.stop();

    const found = await store.read("packet", waiting);
    expect(found.map((stored) => [stored?.value.packet.id, stored?.value.progress.status])).toEqual(
      waiting.map((id) => [id, "SENT"]),
    );
    expect(waiting.filter((id) => !target.received.has(id))).toEqual([]);
    expect(heads.length).toBeGreaterThan(0);
    const numbered = target.journal.filter(({ record }) => record === "J-90").map(({ amount }) => amount);
    expect(numbered).toEqual([10, 11, 12]);
    // A lane's own record stays; its packets' places are gone, whichever release has added them.
    expect((await fixture.keysOf("lane#")).filter((key) => !key.endsWith(` ${itself}`))).toEqual([]);
    expect(await fixture.keysOf("unsent#")).toEqual([]);
    expect((await verifyLedger(engine)).fault).toBeUndefined();
  });

  it("gets the current form with each write, and rejects the form of a later release", {
    timeout: 60_000,
  }, async () => {
    await using fixture = await putItems();
    const { store } = fixture;
    const [health] = await store.read("health", ["WorkForceNow@v1"]);

    await store.write([
      { kind: "health", id: "WorkForceNow@v1", value: health?.value as never, etag: health?.etag as number },
    ]);
    const forms = await fixture.formsOf("health#");
    await fixture.setForm("health#WorkForceNow@v1", 3);

    expect(forms["health#WorkForceNow@v1"]).toBe(2);
    expect(forms["health#PayrollConnector@v1"]).toBeUndefined();
    await expect(store.read("health", ["WorkForceNow@v1"])).rejects.toThrow(
      "health#WorkForceNow@v1 has form 3, but this release reads forms up to 2; deploy the release that wrote it",
    );
  });
});

function linesOf<T>(file: string): T[] {
  return readFileSync(join(release, "items", file), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as T);
}

function idOf(pk: unknown, kind: string): string | undefined {
  const text = pk as string;
  return text.startsWith(`${kind}#`) ? text.slice(kind.length + 1) : undefined;
}

/** Puts the release's items into new tables. */
async function putItems() {
  const tables = await createTables(client as unknown as DynamoDBClient);
  const items = linesOf<Item>("packets.ndjson");
  const entries = linesOf<Item>("ledger.ndjson");
  await putAll(tables.packets, items);
  await putAll(tables.ledger, entries);
  const store = new AwsStore({
    client,
    packetsTable: tables.packets,
    ledgerTable: tables.ledger,
    // A minute ahead, so that the store treats recent writes as settled.
    clock: { now: () => Date.now() + 60_000, sleep: async () => {} },
  });
  const opened: LocalEngine[] = [];
  return {
    items,
    entries,
    messages: linesOf<Message>("messages.ndjson"),
    store,
    /** Opens an engine whose targets are at an address. */
    async engine(url: string): Promise<LocalEngine> {
      const engine = await engineOn(store, url);
      opened.push(engine);
      return engine;
    },
    ...rawItemsOf(tables),
    async [Symbol.asyncDispose]() {
      for (const engine of opened) await engine.db.close();
      await tables[Symbol.asyncDispose]();
    },
  };
}

function rawItemsOf({ packets }: Tables) {
  const scan = async (prefix: string) => {
    const { Items = [] } = await client.send(
      new ScanCommand({
        TableName: packets,
        FilterExpression: "begins_with(pk, :prefix)",
        ExpressionAttributeValues: { ":prefix": prefix },
      }),
    );
    return Items;
  };
  return {
    keysOf: async (prefix: string) => (await scan(prefix)).map(({ pk, sk }) => `${pk} ${sk}`),
    formsOf: async (prefix: string): Promise<Readonly<Record<string, number>>> =>
      Object.fromEntries((await scan(prefix)).map(({ pk, form }) => [pk as string, form as number])),
    async setForm(pk: string, form: number) {
      const [item] = await scan(pk);
      await putAll(packets, [{ ...item, form }]);
    },
  };
}

async function putAll(table: string, items: readonly Item[]): Promise<void> {
  for (let i = 0; i < items.length; i += 25) {
    const requests = items.slice(i, i + 25).map((Item) => ({ PutRequest: { Item } }));
    await client.send(new BatchWriteCommand({ RequestItems: { [table]: requests } }));
  }
}

async function engineOn(store: AwsStore, url: string): Promise<LocalEngine> {
  const catalog = await loadCatalog(fixtureConnectors);
  const sheets = await readSet(readFolder(join(release, "mappings")), catalog);
  if (!sheets.ok) throw new Error(sheets.faults.join("\n"));
  const engine = await openLocalEngine({
    dir: ":memory:",
    catalog,
    sheets: () => sheets.set,
    settings: checkSettings({ connectors: fixtureTargets(url), times }, "the test"),
    http: (config) => createHttp({ allowedHosts: hostsIn(config) }),
    env: {},
  });
  const bridgeKey = createSecretKey(readFileSync(join(release, "store", "key"), "utf8").trim(), "hex");
  return { ...engine, bridgeKey, store: store as unknown as LocalStore };
}
