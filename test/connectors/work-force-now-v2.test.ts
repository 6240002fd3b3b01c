import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { Context } from "../../bridge/model/connector.ts";
import type { Packet } from "../../bridge/model/packet.ts";
import { createHttp, hostsIn } from "../../connectors/protocols/http/client.ts";
import type { ClientSecret } from "../../connectors/protocols/http/oauth2.ts";
import { connector } from "../../connectors/work-force-now-v2.ts";
import { authority } from "../support/certificates.ts";
import { aMemory, connectorContract, packetFor } from "../support/connector-contract.ts";
import { type HrEvent, type HrServer, hrServer, takesAll } from "../support/hr-server.ts";
import type { Received } from "../support/target-server.ts";
import { type TokenServer, tokenServer } from "../support/token-server.ts";

const trusted = await authority();
const certificate = await trusted.client("hms-bridge");
const stranger = await (await authority("another")).client("hms-bridge");
const secret: ClientSecret = { clientId: "hms-bridge", clientSecret: "first", ...certificate, ca: trusted.ca };
const hours = "worker.workAssignment.standardHours.hoursQuantity";

const firstEvent = ({ body }: Received) => (body as { events: HrEvent[] }).events[0];

connectorContract({
  connector,
  // In the contract tests the target is also the token server.
  configure: (baseUrl) => ({ baseUrl, tokenUrl: `${baseUrl}/token` }),
  secret,
  fields: { [hours]: 16 },
  received: {
    method: "POST",
    path: "/events/hr/v1/worker.work-assignment.modify",
    body: {
      events: [
        {
          serviceCategoryCode: { codeValue: "hr" },
          eventNameCode: { codeValue: "worker.work-assignment.modify" },
          originator: { eventID: "pkt-abcdefghijklmnop" },
          data: {
            eventContext: { worker: { associateOID: "E-1001" } },
            transform: { worker: { workAssignment: { standardHours: { hoursQuantity: 16 } } } },
          },
        },
      ],
    },
  },
  taken: takesAll,
  keyOf: (request) => firstEvent(request)?.originator.eventID,
  beside({ path }, response) {
    if (path !== "/token") return false;
    const token = JSON.stringify({ access_token: "t", token_type: "Bearer", expires_in: 3_600 });
    response.writeHead(200, { "content-type": "application/json" }).end(token);
    return true;
  },
});

/** HR service and token server that both require a client certificate, with a connector context for them. */
async function stage({ seconds = 3_600, most = 10 } = {}) {
  const tokens = await tokenServer({ clientId: "hms-bridge", clientSecret: "first", seconds, authority: trusted });
  const secure = { ...(await trusted.server()), ca: trusted.ca, requestCert: true };
  const hr = await hrServer({ secure, accepts: (authorization) => tokens.accepts(authorization) });
  const config = connector.config.parse({ baseUrl: hr.target.url, tokenUrl: tokens.tokenUrl, most });
  const http = createHttp({ allowedHosts: hostsIn(config) });
  const { signal } = new AbortController();
  const contextWith = (mine: ClientSecret): Context<typeof config, ClientSecret> => ({
    config,
    secret: mine,
    http,
    memory: aMemory(),
    signal,
  });
  return {
    hr,
    tokens,
    contextWith,
    context: contextWith(secret),
    async [Symbol.asyncDispose]() {
      await hr[Symbol.asyncDispose]();
      await tokens[Symbol.asyncDispose]();
    },
  };
}

/** Packets for `count` workers, from `E-0` on. */
function packets(count: number, fields: Packet["fields"] = { [hours]: 99 }): Packet[] {
  return Array.from({ length: count }, (_, i) =>
    packetFor(connector as never, fields, { id: `pkt-${i}`, entity: `E-${i}` }),
  );
}

const batch = (some: readonly Packet[], context: Context<never, ClientSecret>) =>
  connector.sendBatch?.(some, context) as Promise<readonly { kind: string }[]>;

const kinds = (outcomes: readonly { kind: string }[]) => outcomes.map(({ kind }) => kind);
const workers = ({ effects }: HrServer) => effects.map(({ data }) => data.eventContext.worker.associateOID).sort();

afterEach(() => {
  vi.useRealTimers();
});

describe("WorkForceNow@v2 with an OAuth2 token server and mutual TLS", () => {
  test("sends one worker's change or ten changes in one call", async () => {
    await using at = await stage();

    const one = await connector.send(packets(1)[0] as Packet, at.context as never);
    const ten = await batch(packets(10), at.context as never);

    expect(one).toMatchObject({ kind: "delivered", status: 200 });
    expect(kinds(ten)).toEqual(Array(10).fill("delivered"));
    expect(at.hr.target.received).toHaveLength(2);
    // The first of the ten was already sent under the same id.
    expect(at.hr.effects).toHaveLength(10);
  });

  test("sends one change per call if `most` is 1", async () => {
    await using at = await stage({ most: 1 });

    const outcomes = await batch(packets(3), at.context as never);

    expect(kinds(outcomes)).toEqual(["delivered", "delivered", "delivered"]);
    expect(at.hr.target.received).toHaveLength(3);
  });

  test.each(["rows", "whole", "silent"] as const)(
    "bad rows do not fail the others if the service responds in the manner %s",
    async (manner) => {
      await using at = await stage();
      at.hr.manner = manner;
      at.hr.refused.set("E-1", "/worker/workAssignment/standardHours/hoursQuantity");
      at.hr.refused.set("E-3", "/worker/workAssignment/standardHours/hoursQuantity");

      const outcomes = await batch(packets(5), at.context as never);

      expect(kinds(outcomes)).toEqual(["delivered", "refused", "delivered", "refused", "delivered"]);
      expect(workers(at.hr)).toEqual(["E-0", "E-2", "E-4"]);
    },
  );

  test("reports the field of a refused row without its value and keeps the response as the answer", async () => {
    await using at = await stage();
    at.hr.refused.set("E-0", "/worker/workAssignment/standardHours/hoursQuantity");

    const [outcome] = await batch(packets(2), at.context as never);

    expect(outcome).toMatchObject({
      kind: "refused",
      status: 200,
      reason: `answered 200: ${hours} refused; the answer has the message`,
      answer: expect.stringContaining("must be in the range"),
    });
    expect((outcome as unknown as { reason: string }).reason).not.toContain("99");
  });

  test("shares one token between concurrent and later calls", async () => {
    await using at = await stage();

    await Promise.all([batch(packets(3), at.context as never), batch(packets(3), at.context as never)]);
    await batch(packets(1), at.context as never);

    expect(at.tokens.issued()).toBe(1);
  });

  test("renews a token before it expires", async () => {
    await using at = await stage({ seconds: 100 });
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });

    await batch(packets(1), at.context as never);
    vi.setSystemTime(Date.now() + 89_000);
    await batch(packets(1), at.context as never);
    const givenBeforeExpiry = at.tokens.issued();
    vi.setSystemTime(Date.now() + 2_000);
    const [outcome] = await batch(packets(1), at.context as never);

    expect(givenBeforeExpiry).toBe(1);
    expect(at.tokens.issued()).toBe(2);
    expect(outcome).toMatchObject({ kind: "delivered" });
  });

  test("requests a new token for the next attempt after the service refuses one", async () => {
    await using at = await stage();
    await batch(packets(1), at.context as never);
    at.tokens.revokeAll();

    const refused = await batch(packets(2), at.context as never);
    const next = await batch(packets(2), at.context as never);

    expect(refused).toEqual(
      Array(2).fill(expect.objectContaining({ kind: "retry", auth: true, mayHaveLanded: false })),
    );
    expect(kinds(next)).toEqual(["delivered", "delivered"]);
    expect(at.tokens.issued()).toBe(2);
  });

  test("requests a new token as soon as the secret rotates", async () => {
    await using at = await stage();
    await batch(packets(1), at.context as never);
    at.tokens.rotate("second");
    at.tokens.revokeAll();

    const old = await batch(packets(1), at.contextWith({ ...secret, clientSecret: "stale" }) as never);
    const fresh = await batch(packets(1), at.contextWith({ ...secret, clientSecret: "second" }) as never);

    expect(old[0]).toMatchObject({
      kind: "retry",
      auth: true,
      mayHaveLanded: false,
      reason: "no token: the credentials were refused (401 invalid_client)",
    });
    expect(kinds(fresh)).toEqual(["delivered"]);
  });

  test("sends nothing without a certificate and asks for fresh credentials", async () => {
    await using at = await stage();

    const bare = { ...secret, cert: undefined, key: undefined };
    const [outcome] = await batch(packets(1), at.contextWith(bare) as never);

    expect(outcome).toMatchObject({
      kind: "retry",
      auth: true,
      mayHaveLanded: false,
      reason: "no token: it rejected the client certificate",
    });
    expect(at.hr.target.received).toEqual([]);
  });

  test("sends nothing with a certificate from another authority", async () => {
    await using at = await stage();

    const [outcome] = await batch(packets(1), at.contextWith({ ...secret, ...stranger }) as never);

    expect(outcome).toMatchObject({ kind: "retry", mayHaveLanded: false });
    expect(at.hr.target.received).toEqual([]);
  });

  test("uses a rotated certificate on new connections", async () => {
    await using at = await stage();
    await batch(packets(1), at.context as never);

    const outcomes = await batch(
      packets(1),
      at.contextWith({ ...secret, ...(await trusted.client("renewed")) }) as never,
    );

    expect(kinds(outcomes)).toEqual(["delivered"]);
  });

  test("uses the certificate for its probe", async () => {
    await using at = await stage();

    expect(await connector.probe(at.context as never)).toBe(true);
    expect(await connector.probe(at.contextWith({ ...secret, ...stranger }) as never)).toBe(false);
  });

  test("requires both the certificate and its key in the secret", () => {
    const { secret: schema } = connector;
    expect(schema?.safeParse(secret).success).toBe(true);
    expect(schema?.safeParse({ clientId: "a", clientSecret: "b" }).success).toBe(false);
    expect(schema?.safeParse({ ...secret, key: undefined }).success).toBe(false);
    expect(schema?.safeParse({ ...secret, stray: 1 }).success).toBe(false);
  });
});

describe("token server failures", () => {
  test.each<[string, number, Record<string, string>, string, object]>([
    [
      "answers 429 with Retry-After: 7",
      429,
      { "retry-after": "7" },
      "",
      { kind: "retry", afterMs: 7_000, mayHaveLanded: false },
    ],
    ["answers 503", 503, {}, "", { kind: "retry", status: 503, mayHaveLanded: false }],
    ["shows a login page", 200, { "content-type": "text/html" }, "<html>", { kind: "retry", mayHaveLanded: false }],
    ["answers without a token", 200, {}, "{}", { kind: "retry", mayHaveLanded: false, reason: /without one/ }],
    ["answers half a token", 200, {}, '{"access_token": "t', { kind: "retry", mayHaveLanded: false }],
    ["redirects", 302, { location: "https://elsewhere.example" }, "", { kind: "retry", mayHaveLanded: false }],
    [
      "does not know the client",
      400,
      {},
      '{"error":"invalid_client","error_description":"hunter2"}',
      { kind: "retry", auth: true, mayHaveLanded: false, reason: /\(400 invalid_client\)$/ },
    ],
  ])("no packet is sent if the token server %s", async (_, code, headers, ...[body, wanted]) => {
    await using hr = await hrServer();
    const server = createServer((_, response) =>
      response.writeHead(code, { "content-type": "application/json", ...headers }).end(body),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const tokenUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
    const config = connector.config.parse({ baseUrl: hr.target.url, tokenUrl });
    const http = createHttp({ allowedHosts: hostsIn(config) });
    const context = { config, secret, http, memory: aMemory(), signal: new AbortController().signal };

    const outcomes = await batch(packets(2), context as never);
    server.close();
    server.closeAllConnections();

    const { reason, ...facts } = wanted as { reason?: RegExp };
    expect(outcomes).toEqual([expect.objectContaining(facts), expect.objectContaining(facts)]);
    if (reason) expect((outcomes[0] as unknown as { reason: string }).reason).toMatch(reason);
    expect(JSON.stringify(outcomes)).not.toContain("hunter2");
    expect(hr.target.received).toEqual([]);
  });

  test("asks for a retry if the token server is unreachable", async () => {
    await using hr = await hrServer();
    let tokens: TokenServer | undefined = await tokenServer({ clientId: "a", clientSecret: "b" });
    const { tokenUrl } = tokens;
    await tokens[Symbol.asyncDispose]();
    tokens = undefined;
    const config = connector.config.parse({ baseUrl: hr.target.url, tokenUrl });
    const http = createHttp({ allowedHosts: hostsIn(config) });
    const context = { config, secret, http, memory: aMemory(), signal: new AbortController().signal };

    const [outcome] = await batch(packets(1), context as never);

    expect(outcome).toMatchObject({ kind: "retry", mayHaveLanded: false, code: "no-answer" });
  });
});
