import { execFileSync } from "node:child_process";
import { readFileSync, renameSync } from "node:fs";
import type http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import net from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { HttpRequest } from "../../../../bridge/model/connector.ts";
import {
  createHttp,
  HttpError,
  hostsIn,
  joinUrl,
  outcomeOf,
  retryAfterMs,
} from "../../../../connectors/protocols/http/client.ts";
import { nodeTransport } from "../../../../connectors/protocols/http/node-transport.ts";
import { undiciTransport } from "../../../../connectors/protocols/http/undici-transport.ts";
import { home } from "../../../support/home.ts";
import { type Answer, type TargetServer, targetServer } from "../../../support/target-server.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Short limits for tests in which a response never arrives. */
const quick = { connectMs: 400, headersMs: 400, bodyMs: 400 };

describe.each([
  ["node:http", nodeTransport],
  ["undici", undiciTransport],
])("HTTP client on %s", (_, transport) => {
  /** Client with the default limits of every connector, which are generous enough for a busy machine. */
  const client = (...urls: string[]) => createHttp({ transport, allowedHosts: hostsIn(urls) });
  const hasty = (url: string) => createHttp({ transport, allowedHosts: hostsIn(url), ...quick });

  describe("HTTP responses", { tags: "row-13" }, () => {
    it("accepts a 2xx response and sends the body, content type and idempotency key", async () => {
      const target = await aTarget();

      const outcome = await client(target.url).deliver({
        method: "PATCH",
        url: `${target.url}/v2/rates`,
        json: { rate: 68, name: "é" },
        idempotencyKey: "pkt-1",
      });

      expect(outcome).toEqual({ kind: "delivered", at: "/v2/rates", status: 204 });
      expect(target.received).toMatchObject([
        { method: "PATCH", path: "/v2/rates", body: { rate: 68, name: "é" }, key: "pkt-1" },
      ]);
      expect(target.received[0]?.headers["content-type"]).toBe("application/json");
    });

    it.each<[object, string, object?]>([
      [{ method: "POST", json: { a: "é" } }, "10", { "content-type": "application/json" }],
      [{ method: "PUT", text: { type: "text/csv", body: "a" } }, "1", { "content-type": "text/csv" }],
      [{ method: "PATCH" }, "0"],
      [{ method: "POST", headers: { Accept: "text/xml", "X-One": "1" } }, "0", { accept: "text/xml", "x-one": "1" }],
      [{ method: "DELETE", json: {}, headers: { "Content-Length": "99" } }, "2"],
      [{ method: "DELETE" }, "none"],
      [{ method: "GET" }, "none"],
      [{ method: "HEAD" }, "none"],
    ])("sends each header of %j once", async (request, length, wanted = {}) => {
      let head = "";
      const url = await rawServer((socket) =>
        socket.once("data", (bytes) => {
          head = bytes.toString().split("\r\n\r\n")[0] ?? "";
          socket.end("HTTP/1.1 204 No Content\r\n\r\n");
        }),
      );

      await client(url).request({ url: `${url}/x`, ...request } as HttpRequest);

      const [first, ...lines] = head.split("\r\n");
      const headers = lines.map((line) => line.split(/: (.*)/).slice(0, 2) as [string, string]);
      expect(first).toBe(`${(request as HttpRequest).method} /x HTTP/1.1`);
      expect(headers.map(([name]) => name.toLowerCase())).toEqual([
        ...new Set(headers.map(([name]) => name.toLowerCase())),
      ]);
      const found = Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]));
      expect(found).toMatchObject({ host: new URL(url).host, connection: "keep-alive", ...wanted });
      expect(found["content-length"] ?? "none").toBe(length);
      expect(found).not.toHaveProperty("transfer-encoding");
    });

    it.each([
      [200, "application/json", '{"id":1}', "delivered"],
      [201, "application/vnd.api+json; charset=utf-8", "{}", "delivered"],
      [200, "application/problem+json", "{}", "delivered"],
      [200, "text/plain", "", "delivered"],
      [200, "text/html", "<h1>log in</h1>", "retry"],
      [200, "text/json-not", "{}", "retry"],
      [200, "application/jsonp", "x()", "retry"],
      [200, undefined, "hello", "retry"],
      [301, "text/html", "", "retry"],
      [302, "application/json", "{}", "retry"],
      [304, undefined, "", "retry"],
      [400, "application/json", '{"error":"no"}', "refused"],
      [404, "text/plain", "gone", "refused"],
      [408, undefined, "", "retry"],
      [409, "application/json", "{}", "refused"],
      [413, undefined, "", "refused"],
      [422, "application/json", "{}", "refused"],
      [425, undefined, "", "retry"],
      [429, undefined, "", "retry"],
      [500, "text/html", "<h1>oops</h1>", "retry"],
      [502, undefined, "", "retry"],
      [503, undefined, "", "retry"],
      [599, undefined, "", "retry"],
    ])("maps status %i with type %s and body %j to %s", async (status, type, body, kind) => {
      const target = await aTarget((_, response) => {
        response.writeHead(status, type ? { "content-type": type } : {}).end(status === 304 ? undefined : body);
      });

      const outcome = await client(target.url).deliver({ method: "PUT", url: `${target.url}/x`, json: {} });

      expect(outcome).toMatchObject({ kind });
      if (kind !== "delivered") expect(outcome).toMatchObject({ status });
    });

    it.each([401, 403])("status %i asks for fresh credentials and rules out an effect", async (status) => {
      const target = await aTarget((_, response) => void response.writeHead(status).end());

      const outcome = await client(target.url).deliver({ method: "PUT", url: `${target.url}/x`, json: {} });

      expect(outcome).toMatchObject({ kind: "retry", auth: true, mayHaveLanded: false });
    });

    it("keeps the first 2 KiB of a refusal for the operator", async () => {
      const target = await aTarget((_, response) => void response.writeHead(422).end("x".repeat(10_000)));

      const outcome = await client(target.url).deliver({ method: "PUT", url: `${target.url}/x`, json: {} });

      expect(outcome).toMatchObject({ kind: "refused", answer: "x".repeat(2_048) });
    });

    it("follows no redirect", async () => {
      const elsewhere = await aTarget();
      const target = await aTarget((_, response) => {
        response.writeHead(307, { location: `${elsewhere.url}/stolen` }).end();
      });

      const outcome = await client(target.url, elsewhere.url).deliver({
        method: "PUT",
        url: `${target.url}/x`,
        json: { a: 1 },
      });

      expect(outcome).toMatchObject({ kind: "retry", mayHaveLanded: false });
      expect(elsewhere.received).toEqual([]);
    });

    it("times out if no response arrives and allows for an effect", async () => {
      const target = await aTarget(() => {});

      const outcome = await hasty(target.url).deliver({ method: "PUT", url: `${target.url}/x`, json: {} });

      expect(outcome).toEqual({
        kind: "retry",
        code: "no-answer",
        reason: "no answer within 400 ms",
        mayHaveLanded: true,
      });
    });

    it("times out if the response headers arrive too slowly", async () => {
      const url = await rawServer((socket) => {
        socket.write("HTTP/1.1 200 OK\r\n");
        const drip = setInterval(() => socket.write("x-drip: 1\r\n"), 50);
        socket.on("close", () => clearInterval(drip));
      });

      expect(await hasty(url).deliver({ method: "PUT", url, json: {} })).toMatchObject({
        kind: "retry",
        reason: "no answer within 400 ms",
        mayHaveLanded: true,
      });
    });

    it("times out if the response body arrives too slowly", async () => {
      const target = await aTarget((_, response) => {
        response.writeHead(200, { "content-type": "application/json" });
        const drip = setInterval(() => response.write(" "), 50);
        response.on("close", () => clearInterval(drip));
      });

      expect(await hasty(target.url).deliver({ method: "PUT", url: `${target.url}/x`, json: {} })).toMatchObject({
        kind: "retry",
        reason: "the response body did not end within 400 ms",
        mayHaveLanded: true,
      });
    });

    it.each<[string, string]>([
      [
        "shorter than its content-length",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{}",
      ],
      [
        "cut off between chunks",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
      ],
      [
        "cut off in a chunk",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nff\r\n{}",
      ],
      ["cut off in its headers", "HTTP/1.1 200 OK\r\ncontent-ty"],
      ["not HTTP at all", "SSH-2.0-OpenSSH_9.6\r\n"],
      ["empty", ""],
      ["invalid in a chunk length", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"],
      [
        "ambiguous because it has two content-lengths",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
      ],
      ["larger than the header limit", `HTTP/1.1 200 OK\r\nx: ${"y".repeat(100_000)}\r\n\r\n`],
      ["an unrequested upgrade", "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"],
    ])("treats a response that is %s as a failure that may have landed", async (_, text) => {
      const url = await rawServer((socket) => socket.once("data", () => socket.end(text)));

      const outcome = await hasty(url).deliver({ method: "PUT", url, json: {} });

      expect(outcome).toMatchObject({ kind: "retry", mayHaveLanded: true });
    });

    it("allows for an effect if the connection is reset after the request", async () => {
      const url = await rawServer((socket) => socket.once("data", () => socket.resetAndDestroy()));

      expect(await client(url).deliver({ method: "PUT", url, json: {} })).toMatchObject({
        kind: "retry",
        mayHaveLanded: true,
      });
    });

    it("rules out an effect if no server is listening", async () => {
      const url = await rawServer(() => {});
      await closing.pop()?.();

      expect(await client(url).deliver({ method: "PUT", url, json: {} })).toEqual({
        kind: "retry",
        code: "no-answer",
        reason: "the connection was refused",
        mayHaveLanded: false,
      });
    });

    it("drops a response over the size limit", async () => {
      const target = await aTarget((_, response) => {
        response.writeHead(200, { "content-type": "application/json" });
        const more = () => {
          while (!response.destroyed && response.write("x".repeat(65_536)));
        };
        response.on("drain", more);
        more();
      });

      const outcome = await createHttp({
        transport,
        allowedHosts: hostsIn(target.url),
        maxBodyBytes: 100_000,
      }).deliver({
        method: "PUT",
        url: `${target.url}/x`,
        json: {},
      });

      expect(outcome).toMatchObject({
        kind: "retry",
        reason: "the response is larger than 100000 bytes",
        mayHaveLanded: true,
      });
    });

    it("gives up at once if the attempt's signal aborts", async () => {
      const target = await aTarget(() => {});
      const over = new AbortController();

      const delivering = client(target.url).deliver({
        method: "PUT",
        url: `${target.url}/x`,
        json: {},
        signal: over.signal,
      });
      over.abort();

      expect(await delivering).toMatchObject({ kind: "retry", reason: "the attempt ran out of time" });
      expect(
        await client(target.url).deliver({ method: "PUT", url: `${target.url}/x`, signal: over.signal }),
      ).toMatchObject({
        kind: "retry",
        mayHaveLanded: false,
      });
    });

    it("delivers repeated requests over keep-alive connections", async () => {
      const target = await aTarget();
      const { deliver } = client(target.url);

      for (let i = 0; i < 20; i++) {
        expect(await deliver({ method: "PUT", url: `${target.url}/${i}`, json: { i } })).toMatchObject({
          kind: "delivered",
        });
      }

      expect(target.received).toHaveLength(20);
    });

    it("treats a target as awake if its status is below 500", async () => {
      const statuses = [200, 404, 401, 500, 503];
      const target = await aTarget((_, response) => void response.writeHead(statuses.shift() ?? 500).end());
      const { isAwake } = client(target.url);

      const awake = [];
      for (let i = 0; i < 5; i++) awake.push(await isAwake(`${target.url}/`));

      expect(awake).toEqual([true, true, true, false, false]);
      await target.stop();
      expect(await isAwake(`${target.url}/`)).toBe(false);
    });
  });

  describe("HTTP requests", () => {
    it.each<[string, string, string]>([
      ["a host that is not configured", "https://evil.example/x", "evil.example is not among the hosts"],
      ["another port of a configured host", "https://good.example:8443/x", "not among the hosts"],
      ["a configured host with credentials in the URL", "https://user:pass@good.example/x", "contains credentials"],
      [
        "another host with a configured host as its user name",
        "https://good.example@evil.example/x",
        "not among the hosts",
      ],
      ["another host that contains a configured host", "https://good.example.evil.example/x", "not among the hosts"],
      ["a remote host over plain http", "http://good.example/x", "must be called with https"],
      [
        "a host that only looks like loopback over plain http",
        "http://127.0.0.1.nip.example/x",
        "must be called with https",
      ],
      ["the wildcard address over plain http", "http://0.0.0.0/x", "must be called with https"],
      ["an address without a scheme", "good.example/x", "not a URL"],
      ["a file URL", "file:///etc/passwd", "not among the hosts"],
      ["an address with another scheme", "ftp://good.example/x", "must be called with https"],
    ])("refuses to call %s", async (_, url, reason) => {
      const { deliver, request } = createHttp({
        transport,
        allowedHosts: ["good.example", "127.0.0.1.nip.example", "0.0.0.0"],
      });

      expect(await deliver({ method: "PUT", url, json: {} })).toMatchObject({
        kind: "retry",
        reason: expect.stringContaining(reason),
        mayHaveLanded: false,
      });
      expect(() => request({ method: "GET", url })).toThrow(HttpError);
    });

    it("reports no credentials from the URL", async () => {
      const outcome = await createHttp({ transport, allowedHosts: ["good.example"] }).deliver({
        method: "PUT",
        url: "https://user:hunter2@good.example/x?token=hunter2",
      });

      expect(JSON.stringify(outcome)).not.toContain("hunter2");
    });

    it.each(["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9", "http://127.8.8.8:9"])(
      "allows plain http to the loopback address %s",
      async (url) => {
        const outcome = await createHttp({ transport, allowedHosts: hostsIn(url), ...quick }).deliver({
          method: "PUT",
          url,
          json: {},
        });

        expect(outcome).not.toMatchObject({ reason: expect.stringContaining("https") });
      },
    );

    it("an idempotency key cannot inject a header", { tags: "row-28" }, async () => {
      const target = await aTarget();

      const send = client(target.url).deliver({
        method: "PUT",
        url: `${target.url}/x`,
        idempotencyKey: "a\r\nx-evil: 1",
        json: {},
      });

      await expect(send).rejects.toThrow(/header/i);
      expect(target.received).toEqual([]);
      expect(await client(target.url).isAwake(target.url)).toBe(true);
    });
  });

  describe("TLS", { tags: "row-14" }, () => {
    const hasOpenssl = (() => {
      try {
        execFileSync("openssl", ["version"], { stdio: "pipe" });
        return true;
      } catch {
        return false;
      }
    })();

    it.runIf(hasOpenssl)("refuses an unknown self-signed certificate before sending anything", async () => {
      const { url, cert, seen } = await aTlsServer("/CN=localhost", "DNS:localhost,IP:127.0.0.1");
      const http = createHttp({ transport, allowedHosts: hostsIn(url) });

      const refusedOutcome = await http.deliver({ method: "PUT", url, json: {} });
      const known = await http.deliver({ method: "PUT", url, json: {}, tls: { ca: cert } });

      expect(refusedOutcome).toEqual({
        kind: "retry",
        code: "no-answer",
        reason: "the server's certificate is self-signed",
        mayHaveLanded: false,
      });
      expect(known).toMatchObject({ kind: "delivered" });
      expect(seen()).toBe(1);
    });

    it.runIf(hasOpenssl).each<[string, string, ...Parameters<typeof aTlsServer>]>([
      [
        "issued for another host",
        "the server's certificate is for another host",
        "/CN=other.example",
        "DNS:other.example",
        {},
      ],
      ["that has expired", "the server's certificate has expired", "/CN=localhost", "IP:127.0.0.1", { expired: true }],
    ])("refuses a certificate %s before sending anything", async (_, reason, ...certificate) => {
      const { url, cert, seen } = await aTlsServer(...certificate);

      const request = { method: "PUT", url, json: {}, tls: { ca: cert } } as const;
      const outcome = await createHttp({ transport, allowedHosts: hostsIn(url) }).deliver(request);

      expect(outcome).toEqual({ kind: "retry", code: "no-answer", reason, mayHaveLanded: false });
      expect(seen()).toBe(0);
    });

    it.runIf(hasOpenssl)("sends nothing over a connection that completes after the request timed out", async () => {
      const { url, cert, seen } = await aTlsServer("/CN=localhost", "DNS:localhost,IP:127.0.0.1");
      const gone = Promise.withResolvers<unknown>();
      const late = await rawServer((socket) => {
        socket.on("close", gone.resolve).pause();
        setTimeout(() => {
          const onward = net.connect(Number(new URL(url).port), "127.0.0.1").on("error", () => {});
          socket.pipe(onward).pipe(socket);
        }, 200);
      }).then((plain) => plain.replace("http:", "https:"));
      const http = createHttp({ transport, allowedHosts: hostsIn(late), connectMs: 100 });

      const outcome = await http.deliver({ method: "PUT", url: late, json: {}, tls: { ca: cert } });
      await gone.promise;

      expect(outcome).toMatchObject({ reason: "no connection within 100 ms", mayHaveLanded: false });
      expect(seen()).toBe(0);
    });

    it("times out if the server never starts the handshake", async () => {
      const url = (await rawServer(() => {})).replace("http:", "https:");

      const outcome = await createHttp({ transport, allowedHosts: hostsIn(url), connectMs: 400 }).deliver({
        method: "PUT",
        url,
        json: {},
      });

      expect(outcome).toEqual({
        kind: "retry",
        code: "no-answer",
        reason: "no connection within 400 ms",
        mayHaveLanded: false,
      });
    });
  });
});

describe("joinUrl", () => {
  it.each([
    ["a/b", "/api/a%2Fb"],
    ["?q=1", "/api/%3Fq%3D1"],
    ["#top", "/api/%23top"],
    ["../admin", "/api/..%2Fadmin"],
    ["..\\admin", "/api/..%5Cadmin"],
    ["%2e%2e", "/api/%252e%252e"],
    ["%2f", "/api/%252f"],
    ["a b", "/api/a%20b"],
    ["é", "/api/%C3%A9"],
    ["a:b@c", "/api/a%3Ab%40c"],
    ["//evil.example", "/api/%2F%2Fevil.example"],
    ["\r\n", "/api/%0D%0A"],
    [";v=1", "/api/%3Bv%3D1"],
  ])("keeps %j inside one path segment", (part, path) => {
    expect(new URL(joinUrl("https://x.example/api/", part)).pathname).toBe(path);
  });

  it.each([".", "..", "...", "%2e", ".%2e", "%2E%2E"])(
    "the part %j cannot escape its path",
    { tags: "row-28" },
    (part) => {
      const url = new URL(joinUrl("https://x.example/api/rows", part));

      expect(url.pathname).toMatch(/^\/api\/rows\/[^/]+$/);
    },
  );
});

describe("Retry-After header", { tags: "row-15" }, () => {
  const sent = Date.parse("2026-03-01T12:00:00Z");

  it.each<[string | undefined, number | undefined]>([
    [undefined, undefined],
    ["0", 0],
    ["120", 120_000],
    ["999999999", 999_999_999_000],
    ["Sun, 01 Mar 2026 12:00:30 GMT", 30_000],
    ["Sun, 01 Mar 2026 11:59:00 GMT", 0],
    ["Fri, 31 Dec 9999 23:59:59 GMT", Date.parse("9999-12-31T23:59:59Z") - sent],
    ["-5", undefined],
    ["1.5", undefined],
    ["+5", undefined],
    ["99999999999999999999", undefined],
    ["soon", undefined],
    ["", undefined],
    ["1e3", undefined],
  ])("the value %j means %j ms", (value, expected) => {
    expect(retryAfterMs(value, sent)).toBe(expected);
  });

  it("applies to 429 and 503, relative to the response's own clock", () => {
    const headers = { "retry-after": "Sun, 01 Mar 2026 12:00:30 GMT", date: "Sun, 01 Mar 2026 12:00:00 GMT" };

    expect(outcomeOf({ status: 429, headers, body: "" }, "/x")).toMatchObject({
      afterMs: 30_000,
      mayHaveLanded: false,
    });
    expect(outcomeOf({ status: 503, headers, body: "" }, "/x")).toMatchObject({ afterMs: 30_000, mayHaveLanded: true });
    expect(outcomeOf({ status: 500, headers, body: "" }, "/x")).not.toHaveProperty("afterMs");
  });
});

describe("hostsIn", () => {
  it("finds the host of every URL at any depth and nothing else", () => {
    const config = {
      baseUrl: "https://a.example/api",
      more: [{ url: "http://127.0.0.1:8080/" }],
      name: "b.example",
      n: 1,
      none: null,
    };

    expect(hostsIn(config)).toEqual(["a.example", "127.0.0.1:8080"]);
  });
});

async function aTarget(answer?: Answer): Promise<TargetServer> {
  const target = await targetServer(answer);
  closing.push(() => target.close());
  return target;
}

/** TCP server that handles each connection with `talk`, in HTTP or not. Returns its URL. */
async function rawServer(talk: (socket: net.Socket) => void): Promise<string> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    talk(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function aTlsServer(subject: string, names: string, { expired = false } = {}) {
  using folder = home();
  const [key, crt] = [join(folder.path, "key.pem"), join(folder.path, "cert.pem")];
  const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  execFileSync(
    "openssl",
    [...made, "-subj", subject, "-addext", `subjectAltName=${names}`, "-keyout", key, "-out", crt],
    {
      stdio: "pipe",
    },
  );
  if (expired) {
    // Signs the certificate again, because only `openssl x509` accepts an end date in the past.
    const again = ["x509", "-in", crt, "-signkey", key, "-days", "-1", "-out", `${crt}.old`];
    execFileSync("openssl", again, { stdio: "pipe" });
    renameSync(`${crt}.old`, crt);
  }
  const cert = readFileSync(crt, "utf8");
  let requests = 0;
  const answer: http.RequestListener = (_, response) => {
    requests++;
    response.writeHead(204).end();
  };
  const server = https.createServer({ key: readFileSync(key), cert }, answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, cert, seen: () => requests };
}
