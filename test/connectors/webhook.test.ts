import { randomBytes } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { describe, expect, test } from "vitest";
import type { Packet } from "../../bridge/model/packet.ts";
import { createHttp, hostsIn } from "../../connectors/protocols/http/client.ts";
import { connector } from "../../connectors/webhook.ts";
import { aMemory, connectorContract, packetFor } from "../support/connector-contract.ts";
import { type Answer, type Received, targetServer } from "../support/target-server.ts";

const aKey = () => `whsec_${randomBytes(32).toString("base64")}`;
const keys = [aKey()];

const event = {
  specversion: "1.0",
  id: "pkt-abcdefghijklmnop",
  source: "/hms-sync-bridge/test/target",
  type: "test",
  subject: "E-1001",
  time: "1970-01-01T00:00:00.000Z",
  action: "upsert",
  datacontenttype: "application/json",
  data: { rate: { usd: 68 } },
};

connectorContract({
  connector,
  configure: (baseUrl) => ({ url: `${baseUrl}/hooks/hms` }),
  secret: { keys },
  fields: { "rate.usd": 68 },
  received: { method: "POST", path: "/hooks/hms", body: event },
});

/** Sends a packet. Returns the outcome and the request that the endpoint received. */
async function sent(secret: { keys: string[] }, more: Partial<Packet> = {}, answer?: Answer, settings = {}) {
  await using target = await targetServer(answer);
  const config = connector.config.parse({ url: `${target.url}/hooks`, ...settings });
  const http = createHttp({ allowedHosts: hostsIn(config) });
  const packet = packetFor(connector as never, { "rate.usd": 68, note: "é" }, more);
  const { signal } = new AbortController();
  const outcome = await connector.send(packet, { config, secret, http, memory: aMemory(), signal });
  return { outcome, received: target.received[0] as Received };
}

/** Verifies a request as an endpoint does, with the Standard Webhooks library and the test's clock. */
function verify(key: string, { headers, body }: Received): unknown {
  return new Webhook(key).verify(JSON.stringify(body), headers as Record<string, string>);
}

describe("WebhookConnector", () => {
  test("signs a request so that only its key verifies it", async () => {
    const { received } = await sent({ keys });

    expect(verify(keys[0] as string, received)).toMatchObject({ id: event.id, data: { rate: { usd: 68 }, note: "é" } });
    expect(() => verify(aKey(), received)).toThrow(/No matching signature/);
    expect(received.headers).toMatchObject({
      "webhook-id": "pkt-abcdefghijklmnop",
      "content-type": "application/cloudevents+json",
    });
  });

  test("signs with each of its keys, so that an endpoint can switch from one to the other", async () => {
    const both = [aKey(), aKey()] as [string, string];

    const { received } = await sent({ keys: both });

    for (const key of both) expect(verify(key, received)).toMatchObject({ id: event.id });
    expect(received.headers["webhook-signature"]).toMatch(/^v1,\S+ v1,\S+$/);
  });

  test("the signature fails if one character of the body changes", async () => {
    const { received } = await sent({ keys });

    const changed = { ...received, body: { ...(received.body as object), subject: "E-1002" } };

    expect(() => verify(keys[0] as string, changed)).toThrow(/No matching signature/);
  });

  test("marks a deletion in the body", async () => {
    const { received } = await sent({ keys }, { action: "delete", fields: {} });

    expect(received.body).toMatchObject({ action: "delete", subject: "E-1001", data: {} });
  });

  test("accepts a response that is not JSON only if anyBody is set", async () => {
    const ok: Answer = (_, response) => response.writeHead(200, { "content-type": "text/html" }).end("ok");

    expect((await sent({ keys }, {}, ok)).outcome).toMatchObject({ kind: "retry" });
    expect((await sent({ keys }, {}, ok, { anyBody: true })).outcome).toMatchObject({ kind: "delivered", status: 200 });
  });

  test.each([
    [[]],
    [["whsec_"]],
    [["secret"]],
    [[`whsec_${randomBytes(16).toString("base64")}`]],
    [[`whsec_${randomBytes(65).toString("base64")}`]],
  ])("rejects a secret with the keys %j", (some) => {
    expect(connector.secret?.safeParse({ keys: some }).success).toBe(false);
  });
});
