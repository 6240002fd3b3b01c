import type { Context } from "aws-lambda";
import { describe, expect, it } from "vitest";
import { maxInboundBytes } from "../../bridge/inbound/receive-webhook.ts";
import { signedHeaders } from "../../bridge/values/webhook-signature.ts";
import { inboundHandler } from "../../functions/inbound-handler.ts";
import { aCore } from "../support/core.ts";
import { aCall } from "./ops-call.ts";

const key = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const env = { BRIDGE_SECRET_FAKE_INBOUND: JSON.stringify({ keys: [key] }) };
const context = {} as Context;

/** Builds a gateway event with a signed message. The gateway passes a JSON body as text and any other as base64. */
function aMessage(now: number, body: string, { id = "msg-1", by = key, base64 = false } = {}) {
  const seconds = String(Math.floor(now / 1_000));
  const headers = { "content-type": "application/json", ...signedHeaders([by], { id, seconds, body }) };
  return {
    ...aCall("POST", "/inbound/Fake", { headers }),
    body: base64 ? Buffer.from(body).toString("base64") : body,
    isBase64Encoded: base64,
  };
}

describe("inbound webhook handler", () => {
  it("accepts a signed message as text or base64, and only once", async () => {
    await using core = await aCore({ env });
    const handle = inboundHandler(core.engine);
    const now = core.clock.now();

    const first = await handle(aMessage(now, '{"city":"Zürich 🏔"}'), context);
    const second = await handle(aMessage(now, '{"city":"Bern"}', { id: "msg-2", base64: true }), context);
    await core.run();
    const again = await handle(aMessage(now, '{"city":"Zürich 🏔"}'), context);

    expect([first.statusCode, second.statusCode, again.statusCode]).toEqual([202, 202, 200]);
    expect(JSON.parse(first.body ?? "")).toEqual(JSON.parse(again.body ?? ""));
  });

  it("rejects forged, unsigned and oversized messages and other paths, and stores nothing", async () => {
    await using core = await aCore({ env });
    const handle = inboundHandler(core.engine);
    const now = core.clock.now();
    const other = `whsec_${Buffer.alloc(32, 8).toString("base64")}`;

    const forged = await handle(aMessage(now, "{}", { by: other }), context);
    const unsigned = await handle({ ...aCall("POST", "/inbound/Fake", {}), body: "{}" }, context);
    const large = await handle(aMessage(now, `{"a":"${"x".repeat(maxInboundBytes)}"}`), context);
    const elsewhere = await handle(aCall("GET", "/api/packets", { arn: "arn:aws:iam::1:root" }), context);

    expect([forged, unsigned, large, elsewhere].map(({ statusCode }) => statusCode)).toEqual([401, 401, 413, 404]);
    expect((await core.engine.queue.depth("inbox")).waiting).toBe(0);
  });

  it("throws if a message cannot be stored, so that its sender retries, without repeating its content", async () => {
    await using core = await aCore({ env });
    const queue = Object.assign(Object.create(core.engine.queue), {
      send: () => Promise.reject(new Error("refused: dailyRate is 81")),
    });
    const handle = inboundHandler({ ...core.engine, queue });

    const answer = handle(aMessage(core.clock.now(), '{"dailyRate":81}'), context);

    await expect(answer).rejects.toThrow(/^a message could not be stored: Error$/);
  });
});
