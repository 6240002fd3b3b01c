import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { maxInboundBytes } from "../../bridge/inbound/receive-webhook.ts";
import { signedHeaders } from "../../bridge/values/webhook-signature.ts";
import { startTestApi, type TestApi } from "../support/ops.ts";

const key = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

describe("the inbound endpoint over HTTP", { tags: "row-29" }, () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi();
    const secrets = JSON.stringify({ "Fake/inbound": { keys: [key] } });
    writeFileSync(join(api.engine.dir as string, "secrets.json"), secrets, { mode: 0o600 });
  });
  afterAll(() => api[Symbol.asyncDispose]());

  const post = (body: string, id: string, more: RequestInit = {}) => {
    const seconds = String(Math.floor(Date.now() / 1_000));
    const headers = { "content-type": "application/json", ...signedHeaders([key], { id, seconds, body }) };
    return api.raw("/inbound/Fake", { method: "POST", body, headers, ...more });
  };

  it("accepts a signed message without a token, and a repeated one only once", async () => {
    const first = await post('{"rate":70}', "msg-1");
    const { event } = (await first.json()) as { event: string };
    await expect
      .poll(() => api.engine.store.read("event", [event]))
      .toMatchObject([{ value: { status: "UNMATCHED" } }]);
    const again = await post('{"rate":70}', "msg-1");

    expect(first.status).toBe(202);
    expect(again.status).toBe(200);
    expect(await again.json()).toEqual({ event });
  });

  it("verifies the signature of UTF-8 text over its bytes", async () => {
    expect((await post('{"city":"Zürich 🏔"}', "msg-2")).status).toBe(202);
  });

  it("gives no access to the operator API", async () => {
    for (const path of ["/inbound/Fake/../../api/packets", "/inbound/%2e%2e%2fapi%2fpackets", "/inbound/"]) {
      expect((await api.raw(path, { method: "POST", body: "{}" })).ok).toBe(false);
    }
    expect((await api.raw("/inbound/Fake")).status).toBe(404);
  });

  it.each([
    ["not signed", '{"rate":70}', { headers: { "content-type": "application/json" } }, 401],
    ["too large", `{"a":"${"x".repeat(maxInboundBytes)}"}`, {}, 413],
    ["not an object", "[]", {}, 400],
  ])("returns a problem for a message that is %s", async (_, body, more, status) => {
    const answer = await post(body, "msg-3", more);

    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(await answer.json()).toMatchObject({ status });
  });
});
