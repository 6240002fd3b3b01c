import { describe, expect, test } from "vitest";
import { connector } from "../../connectors/payroll.ts";
import { createHttp, hostsIn } from "../../connectors/protocols/http/client.ts";
import { aMemory, connectorContract, packetFor } from "../support/connector-contract.ts";
import { type Answer, type TargetServer, targetServer } from "../support/target-server.ts";

const fixture = {
  connector,
  fields: { dailyRate: 68 },
  received: { method: "PATCH", path: "/v2/rates", body: { dailyRate: 68 } },
};

connectorContract({ ...fixture, configure: (baseUrl) => ({ baseUrl }) });

describe("PayrollConnector with ifMatch", () => {
  connectorContract({
    ...fixture,
    configure: (baseUrl) => ({ baseUrl, ifMatch: true }),
    beside({ method, path }, response) {
      if (method !== "GET" || path !== "/v2/rates") return false;
      response.writeHead(200, { "content-type": "application/json", etag: '"1"' }).end("{}");
      return true;
    },
    probed: false,
  });

  /** Versioned rate table. If `meanwhile` returns true, another client changes it between our read and our write. */
  function rates(meanwhile: () => boolean) {
    let version = 1;
    const seen: (string | undefined)[] = [];
    const answer: Answer = ({ method, headers }, response) => {
      if (method === "GET") {
        response.writeHead(200, { "content-type": "application/json", etag: `"${version}"` }).end("{}");
        if (meanwhile()) version++;
        return;
      }
      seen.push(headers["if-match"]);
      const fits = headers["if-match"] === `"${version}"`;
      if (fits) version++;
      response.writeHead(fits ? 204 : 412).end();
    };
    return { answer, seen };
  }
  const send = (target: TargetServer) => {
    const config = connector.config.parse({ baseUrl: target.url, ifMatch: true });
    const http = createHttp({ allowedHosts: hostsIn(config) });
    const { signal } = new AbortController();
    const packet = packetFor(connector as never, { dailyRate: 68 });
    return connector.send(packet, { config, secret: undefined, http, memory: aMemory(), signal });
  };

  test("sends the ETag it has read", async () => {
    const { answer, seen } = rates(() => false);
    await using target = await targetServer(answer);

    expect(await send(target)).toMatchObject({ kind: "delivered", status: 204 });
    expect(seen).toEqual(['"1"']);
  });

  test("reads and writes once more if another client has changed the table in between", async () => {
    const others = [true, false];
    const { answer, seen } = rates(() => others.shift() === true);
    await using target = await targetServer(answer);

    expect(await send(target)).toMatchObject({ kind: "delivered" });
    expect(seen).toEqual(['"1"', '"2"']);
  });

  test("asks for a retry if other clients keep changing the table", async () => {
    const { answer, seen } = rates(() => true);
    await using target = await targetServer(answer);

    expect(await send(target)).toMatchObject({ kind: "retry", status: 412, mayHaveLanded: false });
    expect(seen).toHaveLength(2);
  });

  test("creates a missing table only if no other client has created it", async () => {
    await using target = await targetServer(({ method }, response) => {
      response.writeHead(method === "GET" ? 404 : 201).end();
    });

    expect(await send(target)).toMatchObject({ kind: "delivered", status: 201 });
    expect(target.received[0]?.headers["if-none-match"]).toBe("*");
  });

  test.each<[string, Record<string, string>]>([
    ["no", {}],
    ["a weak", { etag: 'W/"1"' }],
  ])("reports a setup error and sends nothing if the target returns %s ETag", async (_, headers) => {
    await using target = await targetServer((_, response) => response.writeHead(200, headers).end());

    expect(await send(target)).toMatchObject({ kind: "retry", code: "setup", mayHaveLanded: false });
    expect(target.received).toEqual([]);
  });

  test("rules out an effect if reading the table fails", async () => {
    await using target = await targetServer((_, response) => response.writeHead(503, { "retry-after": "7" }).end());

    expect(await send(target)).toMatchObject({ kind: "retry", status: 503, afterMs: 7_000, mayHaveLanded: false });
  });
});
