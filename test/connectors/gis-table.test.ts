import { describe, expect, test } from "vitest";
import type { Outcome } from "../../bridge/model/outcome.ts";
import type { Packet } from "../../bridge/model/packet.ts";
import type { JsonObject } from "../../bridge/values/json.ts";
import { connector } from "../../connectors/gis-table.ts";
import type { ArcgisSecret } from "../../connectors/protocols/arcgis/feature-table.ts";
import { createHttp, hostsIn } from "../../connectors/protocols/http/client.ts";
import { type ArcgisServer, arcgisServer, failure } from "../support/arcgis-server.ts";
import { aMemory, connectorContract, packetFor } from "../support/connector-contract.ts";
import type { Received } from "../support/target-server.ts";

connectorContract({
  connector,
  configure: (baseUrl) => ({ baseUrl }),
  fields: { perDiemUSD: 68 },
  received: { method: "PUT", path: "/tables/rates/rows/E-1001", body: { perDiemUSD: 68 } },
});

const form = ({ body }: Received) => new URLSearchParams(String(body));
const arcgis = { layer: 0, keyField: "RATE_ID" };

describe("GISTableConnector with an ArcGIS feature service", () => {
  connectorContract({
    connector,
    configure: (baseUrl) => ({ baseUrl, arcgis }),
    fields: { perDiemUSD: 68 },
    received: {
      method: "POST",
      path: "/0/applyEdits",
      body: "f=json&rollbackOnFailure=false&adds=%5B%7B%22attributes%22%3A%7B%22perDiemUSD%22%3A68%2C%22RATE_ID%22%3A%22E-1001%22%7D%7D%5D",
    },
    taken(_, response) {
      const body = JSON.stringify({ addResults: [{ objectId: 3700, globalId: null, success: true }] });
      response.writeHead(200, { "content-type": "application/json" }).end(body);
    },
    keyOf: (request) => JSON.parse(form(request).get("adds") ?? "[]")[0]?.attributes.RATE_ID,
    beside({ path }, response) {
      if (!path.endsWith("/query")) return false;
      response.writeHead(200, { "content-type": "application/json" }).end('{"features":[]}');
      return true;
    },
  });

  /** Context for a service. Its state lasts over several calls, as in the engine. */
  function contextFor(service: ArcgisServer, secret?: ArcgisSecret) {
    const tokenUrl = `${service.target.url}/sharing/rest/generateToken`;
    const config = connector.config.parse({ baseUrl: service.target.url, arcgis: { ...arcgis, tokenUrl } });
    const http = createHttp({ allowedHosts: hostsIn(config) });
    return { config, secret, http, memory: aMemory(), signal: new AbortController().signal };
  }
  const packet = (entity: string, fields: JsonObject, more: Partial<Packet> = {}) =>
    packetFor(connector as never, fields, { id: `pkt-${entity}`, entity, ...more });
  const batch = (packets: readonly Packet[], context: ReturnType<typeof contextFor>) =>
    connector.sendBatch?.(packets, context) as Promise<readonly Outcome[]>;
  const kinds = (outcomes: readonly Outcome[]) => outcomes.map(({ kind }) => kind);
  const table = ({ rows }: ArcgisServer) =>
    [...rows.values()]
      .map(({ OBJECTID: _, ...rest }) => rest)
      .sort((a, b) => String(a.RATE_ID).localeCompare(String(b.RATE_ID)));

  test("adds, updates and deletes rows with one query and one edit", async () => {
    await using service = await arcgisServer();
    const context = contextFor(service);
    await batch([packet("a", { usd: 1 }), packet("b", { usd: 2 })], context);
    service.asked.length = 0;

    const outcomes = await batch(
      [packet("a", { usd: 10, note: null }), packet("b", {}, { action: "delete" }), packet("c", { usd: 3 })],
      context,
    );

    expect(outcomes).toMatchObject([
      { kind: "delivered", remoteId: "3700" },
      { kind: "delivered" },
      { kind: "delivered", remoteId: "3702" },
    ]);
    expect(table(service)).toEqual([
      { RATE_ID: "a", usd: 10, note: null },
      { RATE_ID: "c", usd: 3 },
    ]);
    expect(service.asked).toEqual(["query", "applyEdits"]);
  });

  test("repeated upserts leave one row and a repeated deletion is delivered", async () => {
    await using service = await arcgisServer();
    const context = contextFor(service);

    await batch([packet("a", { usd: 1 })], context);
    await batch([packet("a", { usd: 1 })], context);
    const once = table(service);
    await batch([packet("a", {}, { action: "delete" })], context);
    const [again] = await batch([packet("a", {}, { action: "delete" })], context);

    expect(once).toEqual([{ RATE_ID: "a", usd: 1 }]);
    expect(table(service)).toEqual([]);
    expect(again).toMatchObject({ kind: "delivered" });
  });

  test.each([false, true])("a bad row does not fail the others if the layer's rollback is %s", async (rollsBack) => {
    await using service = await arcgisServer();
    service.rollsBack = rollsBack;
    service.constraint = ({ usd }) => (usd === -7 ? "Field usd must not be -7: attribute rule violated" : undefined);

    const outcomes = await batch(
      [packet("a", { usd: 1 }), packet("b", { usd: -7 }), packet("c", { usd: 3 })],
      contextFor(service),
    );

    expect(kinds(outcomes)).toEqual(["delivered", "refused", "delivered"]);
    expect(outcomes[1]).toMatchObject({
      reason: "the service refused the row (1000): Field usd must not be …: attribute rule violated",
      answer: expect.stringContaining("-7"),
    });
    expect(table(service).map(({ RATE_ID }) => RATE_ID)).toEqual(["a", "c"]);
  });

  test("sends each packet alone after the service refuses the whole call", async () => {
    await using service = await arcgisServer();
    service.failNext = failure(400, "Unable to complete operation.", ["Parser error"]);

    const outcomes = await batch([packet("a", { usd: 1 }), packet("b", { usd: 2 })], contextFor(service));

    expect(kinds(outcomes)).toEqual(["delivered", "delivered"]);
    expect(table(service)).toHaveLength(2);
  });

  test.each<[unknown, Partial<Outcome>]>([
    [failure(500, "Error performing applyEdits operation"), { kind: "retry", status: 500, mayHaveLanded: true }],
    [failure(503, "Service unavailable"), { kind: "retry", mayHaveLanded: true }],
    [failure(429, "Too many requests"), { kind: "retry", mayHaveLanded: false }],
    [failure(403, "You do not have permissions"), { kind: "retry", auth: true }],
    [failure(498, "Invalid token."), { kind: "retry", auth: true, mayHaveLanded: false }],
    [failure(499, "Token Required"), { kind: "retry", auth: true, mayHaveLanded: false }],
    [
      failure(400, "Invalid value 68 for usd"),
      { kind: "refused", reason: "the service answered 400: Invalid value … for usd" },
    ],
    [{ addResults: [] }, { kind: "retry", mayHaveLanded: true }],
    [{ addResults: [{ success: "yes" }] }, { kind: "retry", mayHaveLanded: true }],
    [[], { kind: "retry", mayHaveLanded: true }],
    ["surprise", { kind: "retry", mayHaveLanded: true }],
  ])("maps a 200 response with the body %j to %j", async (body, wanted) => {
    await using service = await arcgisServer();
    service.failNext = body;

    const [outcome] = await batch([packet("a", { usd: 68 })], contextFor(service));

    expect(outcome).toMatchObject(wanted);
  });

  test("treats a hostile key as a plain value", async () => {
    await using service = await arcgisServer();
    const context = contextFor(service);
    const hostile = "x') OR 1=1 OR RATE_ID IN ('";
    await batch([packet("a", { usd: 1 }), packet("b", { usd: 2 })], context);

    const first = await batch([packet(hostile, { usd: 3 })], context);
    const second = await batch([packet(hostile, {}, { action: "delete" })], context);

    expect([...kinds(first), ...kinds(second)]).toEqual(["delivered", "delivered"]);
    expect(table(service)).toHaveLength(2);
  });

  test("refuses a packet whose key matches two rows", async () => {
    await using service = await arcgisServer();
    service.rows.set(1, { OBJECTID: 1, RATE_ID: "a" }).set(2, { OBJECTID: 2, RATE_ID: "a" });

    const [outcome] = await batch([packet("a", { usd: 1 })], contextFor(service));

    expect(outcome).toMatchObject({
      kind: "refused",
      reason: "2 records have its key; RATE_ID should have a unique index",
    });
  });

  describe("token authentication", () => {
    const user = { username: "bridge", password: "hunter2" };

    test("uses one token from generateToken until the service refuses it", async () => {
      await using service = await arcgisServer();
      service.user = user;
      const context = contextFor(service, user);

      const first = await batch([packet("a", { usd: 1 })], context);
      await batch([packet("b", { usd: 1 })], context);
      service.tokens.clear();
      const refused = await batch([packet("c", { usd: 1 })], context);
      const renewed = await batch([packet("c", { usd: 1 })], context);

      expect([...kinds(first), ...kinds(renewed)]).toEqual(["delivered", "delivered"]);
      expect(refused).toMatchObject([{ kind: "retry", auth: true, mayHaveLanded: false }]);
      expect(service.asked.filter((name) => name === "generateToken")).toHaveLength(2);
    });

    test("asks for fresh credentials if the user is refused and repeats none of them", async () => {
      await using service = await arcgisServer();
      service.user = user;

      const outcomes = await batch([packet("a", { usd: 1 })], contextFor(service, { ...user, password: "old-hunter" }));

      expect(outcomes).toEqual([
        { kind: "retry", reason: "no token: the user was refused", status: 400, mayHaveLanded: false, auth: true },
      ]);
    });

    test("uses a permanent token from the secret as it is", async () => {
      await using service = await arcgisServer();
      service.user = user;
      service.tokens.add("key");
      const context = contextFor(service, { token: "key" });

      expect(kinds(await batch([packet("a", { usd: 1 })], context))).toEqual(["delivered"]);
    });
  });
});
