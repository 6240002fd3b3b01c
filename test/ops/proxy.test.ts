import { afterEach, describe, expect, it } from "vitest";
import { type Served, serveProxy } from "../../ops/local-server.ts";
import type { Ask } from "../../ops/proxy.ts";

const token = "the-token-of-this-test";
const bearer = { authorization: `Bearer ${token}` };

describe("the proxy to a remote bridge", () => {
  let served: Served;
  const asked: { path: string; init: Parameters<Ask>[1] }[] = [];
  const startProxy = async (answer: () => Response) => {
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

  it("forwards only the body and its type of a caller's request", async () => {
    await startProxy(() => Response.json({ items: [] }, { headers: { "set-cookie": "a=b", "x-amzn-requestid": "r" } }));

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
    ["a page of another origin", { ...bearer, origin: "https://evil.example" }],
  ])("forwards nothing for %s", async (_, headers) => {
    await startProxy(() => Response.json({}));

    const answer = await fetch(`${served.url}/api/me`, { headers });

    expect(answer.status).toBeGreaterThanOrEqual(401);
    expect(asked).toEqual([]);
  });

  it("reports a gateway's 401 as missing AWS access, not as a wrong token", async () => {
    await startProxy(() => new Response("<html>", { status: 401, headers: { "content-type": "text/html" } }));

    const answer = await fetch(`${served.url}/api/me`, { headers: bearer });

    expect(answer.status).toBe(403);
    expect(await answer.json()).toMatchObject({
      type: "urn:hms-bridge:forbidden",
      detail: expect.stringContaining("credentials"),
    });
  });

  it("answers 503 if the remote bridge does not answer", async () => {
    await startProxy(() => {
      throw new TypeError("fetch failed");
    });

    expect((await fetch(`${served.url}/api/me`, { headers: bearer })).status).toBe(503);
  });
});
