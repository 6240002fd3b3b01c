import type { ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import { type Connector, type ConnectorState, type Context, connectorId } from "../../bridge/model/connector.ts";
import type { Outcome } from "../../bridge/model/outcome.ts";
import type { Packet } from "../../bridge/model/packet.ts";
import type { Json } from "../../bridge/values/json.ts";
import { createHttp, hostsIn } from "../../connectors/protocols/http/client.ts";
import { type Answer, type Received, taken as takenBare, targetServer } from "./target-server.ts";

/** Describes a connector and its target to the contract. */
export interface ConnectorFixture<Config, Secret> {
  readonly connector: Connector<Config, Secret>;
  /** Returns a configuration that points at a server on loopback. */
  readonly configure: (url: string) => unknown;
  readonly secret?: Secret;
  /** Fields of a packet. */
  readonly fields: Packet["fields"];
  /** Request the target should receive for the fields. */
  readonly received: { readonly method: string; readonly path: string; readonly body: unknown };
  /** The target's answer to a delivered packet; 204 by default. */
  readonly taken?: Answer;
  /** Returns what identifies a repeated request; the `Idempotency-Key` header by default. */
  readonly keyOf?: (request: Received) => unknown;
  /** Answers requests other than deliveries, such as for a token. Returns true if it answered. */
  readonly beside?: (...[request, response]: Parameters<Answer>) => boolean;
  /** `false` if `beside` answers the probe too. */
  readonly probed?: boolean;
}

const entity = "E-1001";

export function packetFor(
  connector: Connector<never, never>,
  fields: Packet["fields"],
  more: Partial<Packet> = {},
): Packet {
  const id = connectorId(connector);
  return {
    id: "pkt-abcdefghijklmnop",
    event: "evt-abcdefghijklmnop",
    eventType: "test",
    sheet: "test",
    sheetHash: "0".repeat(64),
    target: "target",
    connector: id,
    entity,
    lane: `${id}#lane`,
    shadow: `${id}#lane`,
    order: connector.order,
    send: "changed",
    action: "upsert",
    fields,
    version: { source: "test", time: 0, accepted: 0, revision: 0 },
    windowMs: 60_000,
    ...more,
  };
}

/** Creates a connector's state in memory, for one process. */
export function aMemory(): ConnectorState {
  let value: Json | undefined;
  return {
    get: async () => value,
    async set(next) {
      value = next;
    },
    isOpen: async () => false,
  };
}

const status =
  (code: number, headers: Record<string, string> = {}, body = ""): Answer =>
  (_, response) => {
    response.writeHead(code, headers).end(body);
  };

const json = { "content-type": "application/json" };

/** Longest time the test's HTTP client waits for the end of a response. */
const bodyMs = 600;

/** Failing responses of a target and the outcome each must yield. */
const failures: readonly [name: string, answer: Answer, expected: Partial<Outcome>][] = [
  ["500", status(500), { kind: "retry", status: 500, mayHaveLanded: true }],
  ["503 with Retry-After: 7", status(503, { "retry-after": "7" }), { kind: "retry", afterMs: 7_000 }],
  [
    "429 with Retry-After: 3",
    status(429, { "retry-after": "3" }),
    { kind: "retry", afterMs: 3_000, mayHaveLanded: false },
  ],
  ["401", status(401), { kind: "retry", auth: true, mayHaveLanded: false }],
  [
    "422",
    status(422, { "content-type": "application/json" }, '{"detail":"no"}'),
    { kind: "refused", status: 422, answer: '{"detail":"no"}' },
  ],
  [
    "a redirect to another host",
    status(302, { location: "https://elsewhere.example/" }),
    { kind: "retry", mayHaveLanded: false },
  ],
  ["200 with a login page", status(200, { "content-type": "text/html" }, "<html>"), { kind: "retry" }],
  [
    "200 with a truncated body",
    (_, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": "100" });
      response.write('{"ok":', () => response.destroy());
    },
    { kind: "retry", mayHaveLanded: true },
  ],
  [
    "a connection reset after the request",
    (_, response) => void response.socket?.resetAndDestroy(),
    { kind: "retry", mayHaveLanded: true },
  ],
  ["200 with 10 MB", (_, response) => flood(response, 10_000_000), { kind: "retry", mayHaveLanded: true }],
  ["200 with an endless body", (_, response) => drip(response), { kind: "retry", mayHaveLanded: true }],
  ["200 with incomplete JSON", status(200, json, '{"ok": tru'), { kind: "retry", mayHaveLanded: true }],
  [
    "200 with JSON in UTF-16",
    (_, response) => {
      response.writeHead(200, { "content-type": "application/json; charset=utf-16" });
      response.end(Buffer.from('{"ok":true}', "utf16le"));
    },
    { kind: "retry", mayHaveLanded: true },
  ],
  [
    "200 with an XML bomb",
    status(200, { "content-type": "application/xml" }, '<!DOCTYPE a [<!ENTITY b "&c;&c;">]><a>&b;</a>'),
    { kind: "retry", mayHaveLanded: true },
  ],
  ["422 with 10 MB", (_, response) => flood(response, 10_000_000, 422), { kind: "retry", mayHaveLanded: true }],
  ["400 with incomplete JSON", status(400, json, '{"detail": "no'), { kind: "refused", status: 400 }],
];

function flood(response: ServerResponse, bytes: number, code = 200): void {
  response.writeHead(code, json).end(`"${"x".repeat(bytes)}"`);
}

function drip(response: ServerResponse): void {
  response.writeHead(200, json);
  const more = setInterval(() => response.write(" "), 20);
  response.on("close", () => clearInterval(more));
}

/** Checks a connector to an HTTP target against a real server on loopback. */
export function connectorContract<Config, Secret>(fixture: ConnectorFixture<Config, Secret>): void {
  const { connector, configure } = fixture;
  const contextFor = (url: string, signal = new AbortController().signal): Context<Config, Secret> => {
    const config = connector.config.parse(configure(url));
    const http = createHttp({ allowedHosts: hostsIn(config), bodyMs });
    return { config, secret: fixture.secret as Secret, http, memory: aMemory(), signal };
  };
  const packet = packetFor(connector as never, fixture.fields);
  const { taken = takenBare, keyOf = ({ key }: Received) => key, beside = () => false } = fixture;
  const open = async (answer: Answer = taken) => {
    const deliveries: Received[] = [];
    const handle =
      (next: Answer): Answer =>
      (request, response) => {
        if (beside(request, response)) return;
        if (request.method !== "GET") deliveries.push(request);
        next(request, response);
      };
    const target = await targetServer(handle(answer));
    const answerWith = (next: Answer) => {
      target.answer = handle(next);
    };
    return Object.assign(target, { deliveries, answerWith });
  };

  describe(`connector contract of ${connectorId(connector)}`, () => {
    test("sends the packet's fields and no others", async () => {
      await using target = await open();

      const outcome = await connector.send(packet, contextFor(target.url));

      expect(outcome).toMatchObject({ kind: "delivered", at: fixture.received.path });
      expect(target.deliveries.map(({ method, path, body }) => ({ method, path, body }))).toEqual([fixture.received]);
    });

    test("sends the same idempotency key with every attempt", async () => {
      await using target = await open();
      const context = contextFor(target.url);

      await connector.send(packet, context);
      await connector.send(packet, context);

      const [first, second] = target.deliveries.map(keyOf);
      expect(first).toBe(fixture.keyOf ? second : packet.id);
      expect(second).toBe(first);
      expect(first).toBeDefined();
    });

    test.each(failures)("returns the expected outcome for %s", async (_, answer, expected) => {
      await using target = await open(answer);

      const outcome = await connector.send(packet, contextFor(target.url));

      expect(outcome).toMatchObject(expected);
      expect(target.deliveries).toHaveLength(1);
    });

    test("abandons a target that does not respond when the attempt's signal aborts", async () => {
      await using target = await open(() => {});
      const deadline = new AbortController();

      const sending = connector.send(packet, contextFor(target.url, deadline.signal));
      await expect.poll(() => target.deliveries.length).toBe(1);
      deadline.abort();

      expect(await sending).toMatchObject({ kind: "retry", mayHaveLanded: true });
    });

    test("reports that nothing can have landed if the connection is refused", async () => {
      const target = await open();
      await target.close();

      expect(await connector.send(packet, contextFor(target.url))).toMatchObject({
        kind: "retry",
        mayHaveLanded: false,
      });
    });

    test.each(["../../admin?drop=1#x\r\nX-Evil: 1", "..", ".", "%2e%2e/x"])(
      "encodes a hostile entity and values so they change neither path nor headers: %j",
      async (hostile) => {
        await using target = await open();
        const names = Object.keys(fixture.fields);
        const hostilePacket = packetFor(connector as never, Object.fromEntries(names.map((name) => [name, hostile])), {
          entity: hostile,
        });

        const outcome = await connector.send(hostilePacket, contextFor(target.url));

        expect(outcome.kind).toBe("delivered");
        const [delivery] = target.deliveries;
        expect(delivery?.path.split("/").length).toBe(fixture.received.path.split("/").length);
        expect(delivery?.path).not.toMatch(/\?|#|\.\.\//);
        expect(delivery?.headers).not.toHaveProperty("x-evil");
      },
    );

    if (fixture.probed !== false) {
      test("its probe succeeds only while the target is up", async () => {
        const target = await open();
        const context = contextFor(target.url);

        const up = await connector.probe(context);
        target.answerWith(status(503));
        const failing = await connector.probe(context);
        await target.close();
        const closed = await connector.probe(context);

        expect({ up, failing, closed }).toEqual({ up: true, failing: false, closed: false });
      });
    }

    test("its configuration rejects an unknown key", () => {
      expect(connector.config.safeParse({ ...(configure("https://target.example") as object), stray: 1 }).success).toBe(
        false,
      );
    });
  });
}
