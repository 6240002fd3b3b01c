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

/** Short, for what never comes. */
const quick = { connectMs: 400, headersMs: 400, bodyMs: 400 };

describe.each([
  ["Node's client", nodeTransport],
  ["undici's", undiciTransport],
])("over %s", (_, wire) => {
  /** With the limits every connector has: generous for a busy machine. */
  const client = (...urls: string[]) => createHttp({ transport: wire, allowedHosts: hostsIn(urls) });
  const hasty = (url: string) => createHttp({ transport: wire, allowedHosts: hostsIn(url), ...quick });

  describe("an answer", () => {
    it("of 2xx is taken, and the request carried body, type and idempotency key", async () => {
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
    ])("to %j was asked for with each header once", async (request, length, told = {}) => {
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
      expect(found).toMatchObject({ host: new URL(url).host, connection: "keep-alive", ...told });
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
    ])("of %i with %s and %j is %s[3]", async (status, type, body, kind) => {
      const target = await aTarget((_, response) => {
        response.writeHead(status, type ? { "content-type": type } : {}).end(status === 304 ? undefined : body);
      });

      const outcome = await client(target.url).deliver({ method: "PUT", url: `${target.url}/x`, json: {} });

      expect(outcome).toMatchObject({ kind });
      if (kind !== "delivered") expect(outcome).toMatchObject({ status });
    });

    it.each([401, 403])("of %i asks for fresh credentials and cannot have landed", async (status) => {
      const target = await aTarget((_, response) => void response.writeHead(status).end());

      const outcome = await client(target.url).deliver({ method: "PUT", url: `${target.url}/x`, json: {} });

      expect(outcome).toMatchObject({ kind: "retry", auth: true, mayHaveLanded: false });
    });

    it("that refuses is kept for the operator, and no more of it than 2 KiB", async () => {
      const target = await aTarget((_, response) => void response.writeHead(422).end("x".repeat(10_000)));

      const outcome = await client(target.url).deliver({ method: "PUT", url: `${target.url}/x`, json: {} });

      expect(outcome).toMatchObject({ kind: "refused", answer: "x".repeat(2_048) });
    });

    it("that redirects is not followed", async () => {
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

    it("that never comes is given up after its time, and may have landed", async () => {
      const target = await aTarget(() => {});

      const outcome = await hasty(target.url).deliver({ method: "PUT", url: `${target.url}/x`, json: {} });

      expect(outcome).toEqual({
        kind: "retry",
        code: "no-answer",
        reason: "no answer within 400 ms",
        mayHaveLanded: true,
      });
    });

    it("whose head drips in is given up after its time", async () => {
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

    it("whose body drips in is given up after its time", async () => {
      const target = await aTarget((_, response) => {
        response.writeHead(200, { "content-type": "application/json" });
        const drip = setInterval(() => response.write(" "), 50);
        response.on("close", () => clearInterval(drip));
      });

      expect(await hasty(target.url).deliver({ method: "PUT", url: `${target.url}/x`, json: {} })).toMatchObject({
        kind: "retry",
        reason: "the answer's body did not end within 400 ms",
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
      ["cut off in its head", "HTTP/1.1 200 OK\r\ncontent-ty"],
      ["no HTTP at all", "SSH-2.0-OpenSSH_9.6\r\n"],
      ["nothing", ""],
      ["a bad chunk length", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"],
      ["two content-lengths", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}"],
      ["an endless header", `HTTP/1.1 200 OK\r\nx: ${"y".repeat(100_000)}\r\n\r\n`],
      ["an upgrade nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"],
    ])("that is %s is not taken for success, and may have landed", async (_, text) => {
      const url = await rawServer((socket) => socket.once("data", () => socket.end(text)));

      const outcome = await hasty(url).deliver({ method: "PUT", url, json: {} });

      expect(outcome).toMatchObject({ kind: "retry", mayHaveLanded: true });
    });

    it("that is reset after the request may have landed", async () => {
      const url = await rawServer((socket) => socket.once("data", () => socket.resetAndDestroy()));

      expect(await client(url).deliver({ method: "PUT", url, json: {} })).toMatchObject({
        kind: "retry",
        mayHaveLanded: true,
      });
    });

    it("of nobody cannot have landed", async () => {
      const url = await rawServer(() => {});
      await closing.pop()?.();

      expect(await client(url).deliver({ method: "PUT", url, json: {} })).toEqual({
        kind: "retry",
        code: "no-answer",
        reason: "nobody listens there",
        mayHaveLanded: false,
      });
    });

    it("that is huge is dropped", async () => {
      const target = await aTarget((_, response) => {
        response.writeHead(200, { "content-type": "application/json" });
        const more = () => {
          while (!response.destroyed && response.write("x".repeat(65_536)));
        };
        response.on("drain", more);
        more();
      });

      const outcome = await createHttp({
        transport: wire,
        allowedHosts: hostsIn(target.url),
        maxBodyBytes: 100_000,
      }).deliver({
        method: "PUT",
        url: `${target.url}/x`,
        json: {},
      });

      expect(outcome).toMatchObject({
        kind: "retry",
        reason: "the answer is larger than 100000 bytes",
        mayHaveLanded: true,
      });
    });

    it("is given up at once when the try's signal aborts", async () => {
      const target = await aTarget(() => {});
      const over = new AbortController();

      const delivering = client(target.url).deliver({
        method: "PUT",
        url: `${target.url}/x`,
        json: {},
        signal: over.signal,
      });
      over.abort();

      expect(await delivering).toMatchObject({ kind: "retry", reason: "the try's time was over" });
      expect(
        await client(target.url).deliver({ method: "PUT", url: `${target.url}/x`, signal: over.signal }),
      ).toMatchObject({
        kind: "retry",
        mayHaveLanded: false,
      });
    });

    it("comes over a kept connection again and again", async () => {
      const target = await aTarget();
      const { deliver } = client(target.url);

      for (let i = 0; i < 20; i++) {
        expect(await deliver({ method: "PUT", url: `${target.url}/${i}`, json: { i } })).toMatchObject({
          kind: "delivered",
        });
      }

      expect(target.received).toHaveLength(20);
    });

    it("says whether anybody is awake: any status below 500", async () => {
      const statuses = [200, 404, 401, 500, 503];
      const target = await aTarget((_, response) => void response.writeHead(statuses.shift() ?? 500).end());
      const { isAwake } = client(target.url);

      const awake = [];
      for (let i = 0; i < 5; i++) awake.push(await isAwake(`${target.url}/`));

      expect(awake).toEqual([true, true, true, false, false]);
      await target.sleep();
      expect(await isAwake(`${target.url}/`)).toBe(false);
    });
  });

  describe("a request", () => {
    it.each<[string, string, string]>([
      ["a host its configuration does not name", "https://evil.example/x", "evil.example is not among the hosts"],
      ["another port of a named host", "https://good.example:8443/x", "not among the hosts"],
      ["a named host behind credentials", "https://user:pass@good.example/x", "carries credentials"],
      ["a named host as user of another", "https://good.example@evil.example/x", "not among the hosts"],
      ["a named host as part of another", "https://good.example.evil.example/x", "not among the hosts"],
      ["plain http off loopback", "http://good.example/x", "must be called by https"],
      ["plain http to what only looks like loopback", "http://127.0.0.1.nip.example/x", "must be called by https"],
      ["plain http to all addresses", "http://0.0.0.0/x", "must be called by https"],
      ["no URL", "good.example/x", "not a URL"],
      ["a file", "file:///etc/passwd", "not among the hosts"],
      ["another scheme", "ftp://good.example/x", "must be called by https"],
    ])("to %s is not sent", async (_, url, reason) => {
      const { deliver, request } = createHttp({
        transport: wire,
        allowedHosts: ["good.example", "127.0.0.1.nip.example", "0.0.0.0"],
      });

      expect(await deliver({ method: "PUT", url, json: {} })).toMatchObject({
        kind: "retry",
        reason: expect.stringContaining(reason),
        mayHaveLanded: false,
      });
      expect(() => request({ method: "GET", url })).toThrow(HttpError);
    });

    it("never tells credentials of an address", async () => {
      const outcome = await createHttp({ transport: wire, allowedHosts: ["good.example"] }).deliver({
        method: "PUT",
        url: "https://user:hunter2@good.example/x?token=hunter2",
      });

      expect(JSON.stringify(outcome)).not.toContain("hunter2");
    });

    it.each(["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9", "http://127.8.8.8:9"])(
      "to loopback may be plain: %s",
      async (url) => {
        const outcome = await createHttp({ transport: wire, allowedHosts: hostsIn(url), ...quick }).deliver({
          method: "PUT",
          url,
          json: {},
        });

        expect(outcome).not.toMatchObject({ reason: expect.stringContaining("https") });
      },
    );

    it("cannot smuggle a header in", async () => {
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

  describe("TLS", () => {
    const hasOpenssl = (() => {
      try {
        execFileSync("openssl", ["version"], { stdio: "pipe" });
        return true;
      } catch {
        return false;
      }
    })();

    it.runIf(hasOpenssl)(
      "with a self-signed certificate is refused before anything is sent, unless it is known",
      async () => {
        const { url, cert, seen } = await aTlsServer("/CN=localhost", "DNS:localhost,IP:127.0.0.1");
        const http = createHttp({ transport: wire, allowedHosts: hostsIn(url) });

        const refusedOutcome = await http.deliver({ method: "PUT", url, json: {} });
        const known = await http.deliver({ method: "PUT", url, json: {}, tls: { ca: cert } });

        expect(refusedOutcome).toEqual({
          kind: "retry",
          code: "no-answer",
          reason: "its certificate is self-signed",
          mayHaveLanded: false,
        });
        expect(known).toMatchObject({ kind: "delivered" });
        expect(seen()).toBe(1);
      },
    );

    it.runIf(hasOpenssl).each<[string, string, ...Parameters<typeof aTlsServer>]>([
      ["for another host", "its certificate is for another host", "/CN=other.example", "DNS:other.example", {}],
      ["that has expired", "its certificate has expired", "/CN=localhost", "IP:127.0.0.1", { expired: true }],
    ])("with a certificate %s is refused before anything is sent", async (_, reason, ...certificate) => {
      const { url, cert, seen } = await aTlsServer(...certificate);

      const request = { method: "PUT", url, json: {}, tls: { ca: cert } } as const;
      const outcome = await createHttp({ transport: wire, allowedHosts: hostsIn(url) }).deliver(request);

      expect(outcome).toEqual({ kind: "retry", code: "no-answer", reason, mayHaveLanded: false });
      expect(seen()).toBe(0);
    });

    it.runIf(hasOpenssl)("that comes about after the request was given up carries nothing", async () => {
      const { url, cert, seen } = await aTlsServer("/CN=localhost", "DNS:localhost,IP:127.0.0.1");
      const gone = Promise.withResolvers<unknown>();
      const late = await rawServer((socket) => {
        socket.on("close", gone.resolve).pause();
        setTimeout(() => {
          const onward = net.connect(Number(new URL(url).port), "127.0.0.1").on("error", () => {});
          socket.pipe(onward).pipe(socket);
        }, 200);
      }).then((plain) => plain.replace("http:", "https:"));
      const http = createHttp({ transport: wire, allowedHosts: hostsIn(late), connectMs: 100 });

      const outcome = await http.deliver({ method: "PUT", url: late, json: {}, tls: { ca: cert } });
      await gone.promise;

      expect(outcome).toMatchObject({ reason: "no connection within 100 ms", mayHaveLanded: false });
      expect(seen()).toBe(0);
    });

    it("that nobody speaks is given up in time", async () => {
      const url = (await rawServer(() => {})).replace("http:", "https:");

      const outcome = await createHttp({ transport: wire, allowedHosts: hostsIn(url), connectMs: 400 }).deliver({
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

describe("joining an address", () => {
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
  ])("keeps %j in its place", (part, path) => {
    expect(new URL(joinUrl("https://x.example/api/", part)).pathname).toBe(path);
  });

  it.each([".", "..", "...", "%2e", ".%2e", "%2E%2E"])("lets %j climb nowhere", (part) => {
    const url = new URL(joinUrl("https://x.example/api/rows", part));

    expect(url.pathname).toMatch(/^\/api\/rows\/[^/]+$/);
  });
});

describe("Retry-After", () => {
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
  ])("of %j is %j ms", (value, expected) => {
    expect(retryAfterMs(value, sent)).toBe(expected);
  });

  it("is read off a 429 and a 503 against the answer's own clock", () => {
    const headers = { "retry-after": "Sun, 01 Mar 2026 12:00:30 GMT", date: "Sun, 01 Mar 2026 12:00:00 GMT" };

    expect(outcomeOf({ status: 429, headers, body: "" }, "/x")).toMatchObject({
      afterMs: 30_000,
      mayHaveLanded: false,
    });
    expect(outcomeOf({ status: 503, headers, body: "" }, "/x")).toMatchObject({ afterMs: 30_000, mayHaveLanded: true });
    expect(outcomeOf({ status: 500, headers, body: "" }, "/x")).not.toHaveProperty("afterMs");
  });
});

describe("the hosts of a configuration", () => {
  it("are all it names, however deep, and nothing else", () => {
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

/** A server that speaks as the test says, HTTP or not. */
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
    // Made anew from itself: only this command takes a time that is over.
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
