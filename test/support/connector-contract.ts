import type { ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import { type Connector, type ConnectorState, type Context, connectorId } from "../../bridge/model/connector.ts";
import type { Outcome } from "../../bridge/model/outcome.ts";
import type { Packet } from "../../bridge/model/packet.ts";
import type { Json } from "../../bridge/values/json.ts";
import { createHttp, hostsIn } from "../../connectors/protocols/http/client.ts";
import { type Answer, type Received, taken as takenBare, targetServer } from "./target-server.ts";

/** What a connector's test says about its target. */
export interface ConnectorFixture<Config, Secret> {
  readonly connector: Connector<Config, Secret>;
  /** The configuration that points at a server on loopback. */
  readonly configure: (url: string) => unknown;
  readonly secret?: Secret;
  /** A packet's fields, and what the target should receive for them. */
  readonly fields: Packet["fields"];
  readonly received: { readonly method: string; readonly path: string; readonly body: unknown };
  /** How the target says that it has taken a packet, where that is more than 204. */
  readonly taken?: Answer;
  /** What the target tells a repeat by, where that is not the `Idempotency-Key`. */
  readonly keyOf?: (request: Received) => unknown;
  /** Answers what is asked beside deliveries, as for a token; true where it did. */
  readonly beside?: (...[request, response]: Parameters<Answer>) => boolean;
  /** `false` where `beside` answers the probe too. */
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

/** What a connector remembers, in a test: one process, and nobody else writes. */
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

/** Longer no target may take to end its answer, here. ms */
const bodyMs = 600;

/** Faults of a target, and what a connector must make of them. */
const faults: readonly [name: string, answer: Answer, wanted: Partial<Outcome>][] = [
  ["answers 500", status(500), { kind: "retry", status: 500, mayHaveLanded: true }],
  ["answers 503 and asks for 7 s", status(503, { "retry-after": "7" }), { kind: "retry", afterMs: 7_000 }],
  [
    "answers 429 and asks for 3 s",
    status(429, { "retry-after": "3" }),
    { kind: "retry", afterMs: 3_000, mayHaveLanded: false },
  ],
  ["refuses the credentials", status(401), { kind: "retry", auth: true, mayHaveLanded: false }],
  [
    "refuses the value",
    status(422, { "content-type": "application/json" }, '{"detail":"no"}'),
    { kind: "refused", status: 422, answer: '{"detail":"no"}' },
  ],
  [
    "redirects elsewhere",
    status(302, { location: "https://elsewhere.example/" }),
    { kind: "retry", mayHaveLanded: false },
  ],
  ["answers 200 with a login page", status(200, { "content-type": "text/html" }, "<html>"), { kind: "retry" }],
  [
    "breaks off in the middle of a 200",
    (_, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": "100" });
      response.write('{"ok":', () => response.destroy());
    },
    { kind: "retry", mayHaveLanded: true },
  ],
  [
    "resets the connection once it has the request",
    (_, response) => void response.socket?.resetAndDestroy(),
    { kind: "retry", mayHaveLanded: true },
  ],
  ["answers 200 with 10 MB", (_, response) => flood(response, 10_000_000), { kind: "retry", mayHaveLanded: true }],
  ["answers 200 without end", (_, response) => drip(response), { kind: "retry", mayHaveLanded: true }],
  ["answers 200 with half a JSON text", status(200, json, '{"ok": tru'), { kind: "retry", mayHaveLanded: true }],
  [
    "answers 200 in another charset than it may",
    (_, response) => {
      response.writeHead(200, { "content-type": "application/json; charset=utf-16" });
      response.end(Buffer.from('{"ok":true}', "utf16le"));
    },
    { kind: "retry", mayHaveLanded: true },
  ],
  [
    "answers 200 with an XML bomb",
    status(200, { "content-type": "application/xml" }, '<!DOCTYPE a [<!ENTITY b "&c;&c;">]><a>&b;</a>'),
    { kind: "retry", mayHaveLanded: true },
  ],
  ["refuses with 10 MB", (_, response) => flood(response, 10_000_000, 422), { kind: "retry", mayHaveLanded: true }],
  ["refuses with half a JSON text", status(400, json, '{"detail": "no'), { kind: "refused", status: 400 }],
];

function flood(response: ServerResponse, bytes: number, code = 200): void {
  response.writeHead(code, json).end(`"${"x".repeat(bytes)}"`);
}

function drip(response: ServerResponse): void {
  response.writeHead(200, json);
  const more = setInterval(() => response.write(" "), 20);
  response.on("close", () => clearInterval(more));
}

/** The promises every connector to an HTTP target keeps, against a real server. */
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

  describe(`${connectorId(connector)} keeps the connectors' contract`, () => {
    test("delivers the fields and nothing else", async () => {
      await using target = await open();

      const outcome = await connector.send(packet, contextFor(target.url));

      expect(outcome).toMatchObject({ kind: "delivered", at: fixture.received.path });
      expect(target.deliveries.map(({ method, path, body }) => ({ method, path, body }))).toEqual([fixture.received]);
    });

    test("carries the same idempotency key at every try, so that the target has one effect", async () => {
      await using target = await open();
      const context = contextFor(target.url);

      await connector.send(packet, context);
      await connector.send(packet, context);

      const [first, second] = target.deliveries.map(keyOf);
      expect(first).toBe(fixture.keyOf ? second : packet.id);
      expect(second).toBe(first);
      expect(first).toBeDefined();
    });

    test.each(faults)("a target that %s is judged rightly", async (_, answer, wanted) => {
      await using target = await open(answer);

      const outcome = await connector.send(packet, contextFor(target.url));

      expect(outcome).toMatchObject(wanted);
      expect(target.deliveries).toHaveLength(1);
    });

    test("a target that hangs is left when the try's time is over", async () => {
      await using target = await open(() => {});
      const over = new AbortController();

      const sending = connector.send(packet, contextFor(target.url, over.signal));
      await expect.poll(() => target.deliveries.length).toBe(1);
      over.abort();

      expect(await sending).toMatchObject({ kind: "retry", mayHaveLanded: true });
    });

    test("a target that is not there has certainly not taken it", async () => {
      const target = await open();
      await target.close();

      expect(await connector.send(packet, contextFor(target.url))).toMatchObject({
        kind: "retry",
        mayHaveLanded: false,
      });
    });

    test.each(["../../admin?drop=1#x\r\nX-Evil: 1", "..", ".", "%2e%2e/x"])(
      "a hostile entity or value stays in its place: %j",
      async (hostile) => {
        await using target = await open();
        const names = Object.keys(fixture.fields);
        const evil = packetFor(connector as never, Object.fromEntries(names.map((name) => [name, hostile])), {
          entity: hostile,
        });

        const outcome = await connector.send(evil, contextFor(target.url));

        expect(outcome.kind).toBe("delivered");
        const [seen] = target.deliveries;
        expect(seen?.path.split("/").length).toBe(fixture.received.path.split("/").length);
        expect(seen?.path).not.toMatch(/\?|#|\.\.\//);
        expect(seen?.headers).not.toHaveProperty("x-evil");
      },
    );

    if (fixture.probed !== false) {
      test("its probe tells awake from asleep", async () => {
        const target = await open();
        const context = contextFor(target.url);

        const awake = await connector.probe(context);
        target.answerWith(status(503));
        const failing = await connector.probe(context);
        await target.close();
        const gone = await connector.probe(context);

        expect({ awake, failing, gone }).toEqual({ awake: true, failing: false, gone: false });
      });
    }

    test("its configuration has a default or says what is missing, and knows no stray key", () => {
      expect(connector.config.safeParse({ ...(configure("https://target.example") as object), stray: 1 }).success).toBe(
        false,
      );
    });
  });
}
