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

describe("with ifMatch", () => {
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

  /** A rate table with a version, which somebody else may change between our look and our change. */
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

  test("the table is changed as it was read", async () => {
    const { answer, seen } = rates(() => false);
    await using target = await targetServer(answer);

    expect(await send(target)).toMatchObject({ kind: "delivered", status: 204 });
    expect(seen).toEqual(['"1"']);
  });

  test("changed by another in between it is read again, and changed once more", async () => {
    const others = [true, false];
    const { answer, seen } = rates(() => others.shift() === true);
    await using target = await targetServer(answer);

    expect(await send(target)).toMatchObject({ kind: "delivered" });
    expect(seen).toEqual(['"1"', '"2"']);
  });

  test("changed by others all the time it waits, and nothing has landed", async () => {
    const { answer, seen } = rates(() => true);
    await using target = await targetServer(answer);

    expect(await send(target)).toMatchObject({ kind: "retry", status: 412, mayHaveLanded: false });
    expect(seen).toHaveLength(2);
  });

  test("where nothing is there yet it is made, unless another makes it first", async () => {
    await using target = await targetServer(({ method }, response) => {
      response.writeHead(method === "GET" ? 404 : 201).end();
    });

    expect(await send(target)).toMatchObject({ kind: "delivered", status: 201 });
    expect(target.received[0]?.headers["if-none-match"]).toBe("*");
  });

  test.each<[string, Record<string, string>]>([
    ["none", {}],
    ["a weak one", { etag: 'W/"1"' }],
  ])("a target that gives %s for an ETag is told of, and nothing is sent", async (_, headers) => {
    await using target = await targetServer((_, response) => response.writeHead(200, headers).end());

    expect(await send(target)).toMatchObject({ kind: "retry", code: "setup", mayHaveLanded: false });
    expect(target.received).toEqual([]);
  });

  test("a target that fails when it is looked at has taken nothing", async () => {
    await using target = await targetServer((_, response) => response.writeHead(503, { "retry-after": "7" }).end());

    expect(await send(target)).toMatchObject({ kind: "retry", status: 503, afterMs: 7_000, mayHaveLanded: false });
  });
});
