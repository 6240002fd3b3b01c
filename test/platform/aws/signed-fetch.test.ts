import { createHash, createHmac } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openDeployedApi } from "../../../platform/aws/signed-fetch.ts";

const secret = "the-operators-secret";

describe("API of a deployment", () => {
  afterEach(() => vi.unstubAllEnvs());

  it("finds the API by the deployment's name and signs requests so that the gateway can verify them", async () => {
    await using gateway = await aGateway();
    const call = await openDeployedApi("hms-bridge");

    const listed = await call("/api/packets?status=HELD&status=RETRY&text=a%20b", { method: "GET", headers: {} });
    const posted = await call("/api/packets/pkt-a/discard", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"reason":"é"}',
    });

    expect([listed.status, posted.status]).toEqual([200, 200]);
    expect(gateway.asked).toEqual([
      "GET /api/packets?status=HELD&status=RETRY&text=a%20b",
      "POST /api/packets/pkt-a/discard",
    ]);
  });

  it("gets 403 if it signs with another secret", async () => {
    await using _ = await aGateway();
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "another");
    const call = await openDeployedApi("hms-bridge");

    expect((await call("/api/me", { method: "GET", headers: {} })).status).toBe(403);
  });

  it("reports a missing API with the likely cause", async () => {
    await using _ = await aGateway();

    await expect(openDeployedApi("hms-nowhere")).rejects.toThrow(
      "Parameter Store has no /hms-nowhere/ops-url; is hms-nowhere deployed in this account and region?",
    );
  });
});

/** Starts Parameter Store and an HTTP API with the IAM authorizer on loopback. */
async function aGateway(): Promise<AsyncDisposable & { readonly asked: string[] }> {
  const asked: string[] = [];
  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    if (request.headers["x-amz-target"] === "AmazonSSM.GetParameter") {
      const exists = JSON.parse(body).Name === "/hms-bridge/ops-url";
      response.writeHead(exists ? 200 : 400, { "content-type": "application/x-amz-json-1.1" });
      response.end(JSON.stringify(exists ? { Parameter: { Value: `${url}/` } } : { __type: "ParameterNotFound" }));
      return;
    }
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(isSigned(request, body) ? 200 : 403).end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  vi.stubEnv("AWS_ENDPOINT_URL", url);
  vi.stubEnv("AWS_REGION", "us-gov-west-1");
  vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIA");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", secret);
  return {
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Verifies a request's signature. Source: AWS IAM User Guide, "Create a signed AWS API request". */
function isSigned(request: http.IncomingMessage, body: string): boolean {
  const [, scope = "", names = "", signature] =
    /Credential=[^/]+\/(\S+), SignedHeaders=(\S+), Signature=(\w+)/.exec(request.headers.authorization ?? "") ?? [];
  const [date = "", region = "", service = ""] = scope.split("/");
  if (service !== "execute-api" || region !== "us-gov-west-1") return false;
  const url = new URL(request.url ?? "", "http://x");
  const encoded = (text: string) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  const query = [...url.searchParams].map(([name, value]) => `${encoded(name)}=${encoded(value)}`).sort();
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
  const canonical = [
    request.method,
    url.pathname,
    query.join("&"),
    ...names.split(";").map((name) => `${name}:${request.headers[name]}`),
    "",
    names,
    sha256(body),
  ].join("\n");
  const toSign = ["AWS4-HMAC-SHA256", request.headers["x-amz-date"], scope, sha256(canonical)].join("\n");
  const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest();
  const key = [date, region, service, "aws4_request"].reduce<string | Buffer>(hmac, `AWS4${secret}`);
  return hmac(key, toSign).toString("hex") === signature;
}
