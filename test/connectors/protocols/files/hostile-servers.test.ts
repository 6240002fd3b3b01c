import { mkdirSync, readdirSync } from "node:fs";
import type { AddressInfo } from "node:net";
import net from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Outcome } from "../../../../bridge/model/outcome.ts";
import { connector } from "../../../../connectors/ftp-flat.ts";
import { attemptContext } from "../../../support/attempt-context.ts";
import { aPacket } from "../../../support/builders.ts";
import { selfSigned } from "../../../support/certificates.ts";
import { ftpServer } from "../../../support/ftp-server.ts";
import { home } from "../../../support/home.ts";
import { proxyTo } from "../../../support/proxy.ts";
import { type SftpStep, sftpServer, username } from "../../../support/sftp-server.ts";

const password = "open sesame";
const layout = { lines: { form: "fixed", detail: [{ field: "dailyRate", width: 9, number: {} }] } };

/** Sends one packet to a hostile server and logs the outcome. Returns the outcome and its duration. */
async function sendTo(server: string, config: object): Promise<{ outcome: Outcome; ms: number }> {
  const context = attemptContext(connector, { config: { layout, ...config }, secret: { username, password } });
  const began = performance.now();
  const outcome = await connector.send(aPacket(), context);
  const ms = Math.round(performance.now() - began);
  const { kind, ...facts } = outcome;
  console.log(`${server} | ${kind} | ${JSON.stringify(facts)} | ${ms} ms`);
  return { outcome, ms };
}

/** Expects a retry within the 5 s limit of an attempt. */
function expectRetry({ outcome, ms }: { outcome: Outcome; ms: number }, reason: RegExp, mayHaveLanded = false): void {
  expect(outcome).toMatchObject({ kind: "retry", mayHaveLanded });
  expect((outcome as { reason: string }).reason).toMatch(reason);
  expect(ms).toBeLessThan(5_000);
}

/** Starts a TCP server that runs `greet` on each connection. */
async function tcpServer(greet: (socket: net.Socket) => void): Promise<AsyncDisposable & { port: number }> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    greet(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Returns a greeting that repeats `line` up to 10 MB, as fast as the socket accepts it. */
function tenMegabytes(line: string) {
  return (socket: net.Socket) => {
    const part = Buffer.from(line.repeat(Math.ceil(65_536 / line.length)));
    let left = 10_000_000;
    const more = () => {
      while (left > 0 && !socket.destroyed) {
        left -= part.length;
        if (!socket.write(part)) return void socket.once("drain", more);
      }
    };
    more();
  };
}

const anyKey = [`SHA256:${"a".repeat(43)}`];

describe.concurrent("hostile SFTP server", () => {
  const silences: readonly [SftpStep, RegExp, boolean?][] = [
    ["greeting", /timed out while waiting for the server's greeting/],
    ["login", /timed out while logging in/],
    ["session", /timed out while opening SFTP/],
    ["subsystem", /timed out while opening SFTP/],
    ["stat", /timed out while opening SFTP/],
    ["open", /timed out while accessing the folder/],
    ["write", /timed out while accessing the folder/],
    ["fstat", /timed out while accessing the folder/],
    ["close", /timed out while accessing the folder/],
    ["rename", /timed out while accessing the folder/, true],
  ];

  it.each(silences)("asks for a retry if the server goes silent at %s", async (step, reason, mayHaveLanded) => {
    using root = home();
    await using server = await sftpServer(root.path);
    server.silentAt = step;

    const answer = await sendTo(`SFTP that goes silent at ${step}`, {
      to: `sftp://127.0.0.1:${server.port}/`,
      hostKeys: [server.hostKey],
    });

    expectRetry(answer, reason, mayHaveLanded);
    expect(readdirSync(root.path).filter((name) => !name.startsWith("."))).toEqual([]);
  });

  it.each(["open", "write", "fstat", "close", "rename"] as const)(
    "asks for a retry if the server closes at %s",
    async (step) => {
      using root = home();
      await using server = await sftpServer(root.path);
      server.breakAt = { step, done: false };

      const answer = await sendTo(`SFTP that closes at ${step}`, {
        to: `sftp://127.0.0.1:${server.port}/`,
        hostKeys: [server.hostKey],
      });

      expectRetry(answer, /closed|reset|failed/, step === "rename");
    },
  );

  it("sends nothing to a server with another host key", async () => {
    using root = home();
    await using server = await sftpServer(root.path);

    const answer = await sendTo("SFTP that shows another host key", {
      to: `sftp://127.0.0.1:${server.port}/`,
      hostKeys: anyKey,
    });

    expectRetry(answer, /^the server's host key is SHA256:.{43}, which is not among hostKeys; nothing was sent to it$/);
    expect(server.logins).toEqual([]);
  });

  it("asks for a retry if the server begins with 10 MB of lines", async () => {
    await using server = await tcpServer(tenMegabytes(`${"x".repeat(70)}\r\n`));

    expectRetry(
      await sendTo("SFTP that begins with 10 MB of lines", {
        to: `sftp://127.0.0.1:${server.port}/`,
        hostKeys: anyKey,
      }),
      /the connection failed/,
    );
  });

  it("asks for a retry if the server begins with one line of 10 MB", async () => {
    await using server = await tcpServer(tenMegabytes("x"));

    expectRetry(
      await sendTo("SFTP that begins with one line of 10 MB", {
        to: `sftp://127.0.0.1:${server.port}/`,
        hostKeys: anyKey,
      }),
      /the connection failed/,
    );
  });

  it("asks for a retry if the server speaks HTTP", async () => {
    await using server = await tcpServer((socket) => void socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));

    expectRetry(
      await sendTo("SFTP that is an HTTP server", { to: `sftp://127.0.0.1:${server.port}/`, hostKeys: anyKey }),
      /failed|closed/,
    );
  });

  it("asks for a retry if no server is listening", async () => {
    const server = await tcpServer(() => {});
    const { port } = server;
    await server[Symbol.asyncDispose]();

    expectRetry(
      await sendTo("SFTP that is not there", { to: `sftp://127.0.0.1:${port}/`, hostKeys: anyKey }),
      /the connection was refused/,
    );
  });
});

describe.concurrent("hostile FTP server", () => {
  const commands: readonly [string, string, RegExp, boolean?][] = [
    ["its greeting", "220", /waiting for the server's greeting/],
    ["USER", "USER", /logging in/],
    ["PASS", "PASS", /logging in/],
    ["FEAT", "FEAT", /logging in/],
    ["TYPE", "TYPE", /logging in/],
    ["CWD", "CWD", /logging in/],
    ["SIZE", "SIZE /", /accessing the folder/],
    ["EPSV", "EPSV", /accessing the folder/],
    ["STOR", "STOR", /accessing the folder/],
    ["RNFR", "RNFR", /accessing the folder/, true],
    ["RNTO", "RNTO", /accessing the folder/, true],
  ];

  it.each(commands)("asks for a retry if the server goes silent at %s", async (name, says, reason, mayHaveLanded) => {
    using root = home();
    await using server = await ftpServer(root.path);
    await using proxy = await proxyTo(server.port, { at: { says, act: "silence" } });

    const answer = await sendTo(`FTP that goes silent at ${name}`, {
      to: `ftp://127.0.0.1:${proxy.port}/`,
      insecure: true,
    });

    expectRetry(answer, new RegExp(`timed out while ${reason.source}`), mayHaveLanded);
  });

  it.each(commands)("asks for a retry if the server closes at %s", async (name, says, _, mayHaveLanded) => {
    using root = home();
    await using server = await ftpServer(root.path);
    await using proxy = await proxyTo(server.port, { at: { says, act: "close" } });

    const answer = await sendTo(`FTP that closes at ${name}`, { to: `ftp://127.0.0.1:${proxy.port}/`, insecure: true });

    expectRetry(answer, /failed|reset|closed/, mayHaveLanded);
    expect(readdirSync(root.path).filter((name) => !name.startsWith("."))).toEqual([]);
  });

  it("asks for a retry if the greeting has 10 MB of lines", async () => {
    await using server = await tcpServer(tenMegabytes("220-hello there\r\n"));

    expectRetry(
      await sendTo("FTP that greets with 10 MB of lines", { to: `ftp://127.0.0.1:${server.port}/`, insecure: true }),
      /the connection failed/,
    );
  });

  it("asks for a retry if the greeting is one line of 10 MB", async () => {
    await using server = await tcpServer(tenMegabytes("2"));

    expectRetry(
      await sendTo("FTP that greets with one line of 10 MB", { to: `ftp://127.0.0.1:${server.port}/`, insecure: true }),
      /failed|timed out/,
    );
  });

  it("asks for a retry if the server does not report file sizes", async () => {
    await using server = await tcpServer((socket) => {
      socket.write("220 hello\r\n");
      socket.on("data", (chunk) => {
        const command = chunk.toString().slice(0, 4).trim();
        const answers: Record<string, string> = {
          USER: "331 yes?",
          PASS: "230 in",
          CWD: "250 there",
          SIZE: "502 what?",
        };
        socket.write(`${answers[command] ?? "200 ok"}\r\n`);
      });
    });

    expectRetry(
      await sendTo("FTP that does not report sizes", { to: `ftp://127.0.0.1:${server.port}/`, insecure: true }),
      /does not report file sizes/,
    );
  });

  it.each([
    ["has expired", "localhost", -1, /has expired/],
    ["is for another host", "elsewhere.example", 2, /is for another host/],
  ])("sends no login if the certificate %s", async (problem, host, days, reason) => {
    using root = home();
    const certificate = await selfSigned(host, days);
    await using server = await ftpServer(root.path, { kind: "explicit", certificate });

    const answer = await sendTo(`FTP whose certificate ${problem}`, {
      to: `ftps://localhost:${server.port}/`,
      ca: certificate.cert,
    });

    expectRetry(answer, reason);
    expect(server.logins).toEqual([]);
  });

  it.each(["explicit", "implicit"] as const)(
    "sends no login if the certificate is self-signed with %s TLS",
    async (tls) => {
      using root = home();
      await using server = await ftpServer(root.path, { kind: tls, certificate: await selfSigned("localhost") });

      expectRetry(
        await sendTo(`FTP with a self-signed certificate (${tls})`, { to: `ftps://localhost:${server.port}/`, tls }),
        /self-signed/,
      );
      expect(server.logins).toEqual([]);
    },
  );

  it("sends no password to a server without TLS", async () => {
    using root = home();
    mkdirSync(join(root.path, "in"));
    await using server = await ftpServer(root.path);

    expectRetry(await sendTo("FTP without TLS", { to: `ftps://localhost:${server.port}/in` }), /./);
    expect(server.logins).toEqual([]);
  });
});
