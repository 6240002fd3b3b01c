import { afterEach, describe, expect, it } from "vitest";
import { type Served, serveProxy } from "../../ops/local-server.ts";
import type { Ask } from "../../ops/proxy.ts";

const token = "the-token-of-this-test";
const bearer = { authorization: `Bearer ${token}` };

describe("the API of a bridge elsewhere, answered here", () => {
  let served: Served;
  const asked: { path: string; init: Parameters<Ask>[1] }[] = [];
  const relay = async (answer: () => Response) => {
    asked.length = 0;
    served = await serveProxy(
      async (path, init) => {
        asked.push({ path, init });
        return answer();
      },
      { port: 0, token },
    );
  };
  afterEach(() => served.close());

  it("passes on what is asked, with nothing of the caller's but the body and its type", async () => {
    await relay(() => Response.json({ items: [] }, { headers: { "set-cookie": "a=b", "x-amzn-requestid": "r" } }));

    const answer = await fetch(`${served.url}/api/packets?status=HELD&status=SENT`, { headers: bearer });
    await fetch(`${served.url}/api/bulk`, {
      method: "POST",
      headers: { ...bearer, cookie: "a=b", "content-type": "application/json" },
      body: "{}",
    });

    expect(await answer.json()).toEqual({ items: [] });
    expect(answer.headers.get("set-cookie")).toBeNull();
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(asked).toEqual([
      { path: "/api/packets?status=HELD&status=SENT", init: { method: "GET", headers: {} } },
      { path: "/api/bulk", init: { method: "POST", headers: { "content-type": "application/json" }, body: "{}" } },
    ]);
  });

  it.each([
    ["no token", {}],
    ["another's token", { authorization: "Bearer other" }],
    ["a page of elsewhere", { ...bearer, origin: "https://evil.example" }],
  ])("asks nobody for %s", async (_, headers) => {
    await relay(() => Response.json({}));

    const answer = await fetch(`${served.url}/api/me`, { headers });

    expect(answer.status).toBeGreaterThanOrEqual(401);
    expect(asked).toEqual([]);
  });

  it("says what a gateway's refusal means, and is not mistaken for a wrong token", async () => {
    await relay(() => new Response("<html>", { status: 401, headers: { "content-type": "text/html" } }));

    const answer = await fetch(`${served.url}/api/me`, { headers: bearer });

    expect(answer.status).toBe(403);
    expect(await answer.json()).toMatchObject({
      type: "urn:hms-bridge:forbidden",
      detail: expect.stringContaining("credentials"),
    });
  });

  it("says so where nobody answers there", async () => {
    await relay(() => {
      throw new TypeError("fetch failed");
    });

    expect((await fetch(`${served.url}/api/me`, { headers: bearer })).status).toBe(503);
  });
});
