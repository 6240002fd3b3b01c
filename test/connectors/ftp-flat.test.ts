import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { ConnectorState } from "../../bridge/model/connector.ts";
import type { Outcome } from "../../bridge/model/outcome.ts";
import type { Packet } from "../../bridge/model/packet.ts";
import { connector } from "../../connectors/ftp-flat.ts";
import { aMemory, attemptContext } from "../support/attempt-context.ts";
import { aPacket } from "../support/builders.ts";
import { selfSigned } from "../support/certificates.ts";
import { missing, vsftpServer } from "../support/debian-servers.ts";
import { ftpServer } from "../support/ftp-server.ts";
import { home } from "../support/home.ts";
import { type SftpStep, sftpServer, sshKey, username } from "../support/sftp-server.ts";

const run = promisify(execFile);
const password = "open sesame";
const layout = {
  lineEnd: "lf",
  lines: {
    form: "fixed",
    header: [
      { text: "H", width: 1 },
      { is: "number", width: 6, number: {} },
    ],
    detail: [
      { is: "entity", width: 8 },
      { field: "dailyRate", width: 7, number: { decimals: 2 } },
    ],
    trailer: [
      { text: "T", width: 1 },
      { is: "count", width: 3, number: {} },
      { total: "dailyRate", width: 9, number: { decimals: 2 } },
    ],
  },
};

function packetOf(i: number, more: Partial<Packet> = {}): Packet {
  const id = `pkt-${String(i).padStart(16, "0")}`;
  return aPacket({ id, entity: `E-${i}`, order: "strict", fields: { dailyRate: 60 + i }, ...more });
}

function contentOf(i: number, number = i): string {
  return `H${String(number).padStart(6, "0")}\n${`E-${i}`.padEnd(8)}${`${60 + i}00`.padStart(7, "0")}\nT001${`${60 + i}00`.padStart(9, "0")}\n`;
}

/** SFTP server with an inbox, and a mainframe connector configured for it. */
async function anInbox(config: object = {}) {
  const root = home();
  const inbox = join(root.path, "in");
  mkdirSync(inbox);
  const server = await sftpServer(root.path);
  const memory = aMemory();
  const given = { to: `sftp://127.0.0.1:${server.port}/in`, hostKeys: [server.hostKey], layout, ...config };
  return {
    server,
    inbox,
    memory,
    files: () => Object.fromEntries(readdirSync(inbox).map((name) => [name, readFileSync(join(inbox, name), "utf8")])),
    send(packet: Packet, more: { memory?: ConnectorState; config?: object } = {}): Promise<Outcome> {
      const config = { ...given, ...more.config };
      return connector.send(
        packet,
        attemptContext(connector, {
          config,
          secret: { username, password: server.password },
          memory: more.memory ?? memory,
        }),
      );
    },
    async [Symbol.asyncDispose]() {
      await server.close();
      root[Symbol.dispose]();
    },
  };
}

describe("numbered files", () => {
  it("numbers files in packet order without a gap", async () => {
    await using inbox = await anInbox();

    for (const i of [1, 2, 3])
      expect(await inbox.send(packetOf(i))).toEqual({ kind: "delivered", at: `HMS00000${i}.DAT` });

    expect(inbox.files()).toEqual({
      "HMS000001.DAT": contentOf(1),
      "HMS000002.DAT": contentOf(2),
      "HMS000003.DAT": contentOf(3),
    });
  });

  it("reports a repeated packet as delivered and leaves its file unchanged", async () => {
    await using inbox = await anInbox();
    await inbox.send(packetOf(1));

    expect(await inbox.send(packetOf(1))).toEqual({ kind: "delivered", at: "HMS000001.DAT" });

    expect(Object.keys(inbox.files())).toEqual(["HMS000001.DAT"]);
  });

  it("writes a file again under the same number after the mainframe has taken it", async () => {
    await using inbox = await anInbox();
    await inbox.send(packetOf(1));
    rmSync(join(inbox.inbox, "HMS000001.DAT"));

    await inbox.send(packetOf(1));
    await inbox.send(packetOf(2));

    expect(inbox.files()).toEqual({ "HMS000001.DAT": contentOf(1), "HMS000002.DAT": contentOf(2) });
  });

  it("keeps the number given to a packet even if others are sent before it", async () => {
    await using inbox = await anInbox();
    const { memory } = inbox;
    const isOpen = async (id: string) => id === packetOf(1).id;
    const crashing: ConnectorState = {
      ...memory,
      get: () => memory.get(),
      async set(value) {
        await memory.set(value);
        throw new Error("simulated crash");
      },
    };
    const withOpenPacket: ConnectorState = {
      ...memory,
      isOpen,
      get: () => memory.get(),
      set: (value) => memory.set(value),
    };

    await expect(inbox.send(packetOf(1), { memory: crashing })).rejects.toThrow("simulated crash");
    for (const i of [2, 3]) await inbox.send(packetOf(i), { memory: withOpenPacket });
    await inbox.send(packetOf(1), { memory: withOpenPacket });
    await inbox.send(packetOf(4));

    expect(inbox.files()).toEqual(Object.fromEntries([1, 2, 3, 4].map((i) => [`HMS00000${i}.DAT`, contentOf(i)])));
    expect(memory.value).toEqual({ number: 4, packet: packetOf(4).id });
  });

  it("refuses to overwrite a file of another writer", async () => {
    await using inbox = await anInbox();
    writeFileSync(join(inbox.inbox, "HMS000001.DAT"), "another file");

    const outcome = await inbox.send(packetOf(1));

    expect(outcome).toMatchObject({
      kind: "refused",
      reason: expect.stringMatching(/HMS000001\.DAT exists already/),
    });
    expect(inbox.files()).toEqual({ "HMS000001.DAT": "another file" });
    expect(await inbox.send(packetOf(1), { config: { first: 20 } })).toEqual({
      kind: "delivered",
      at: "HMS000020.DAT",
    });
  });

  it("treats a file with the same content as delivered even if the state was lost", async () => {
    await using inbox = await anInbox();
    await inbox.send(packetOf(1));
    inbox.memory.value = undefined;

    expect(await inbox.send(packetOf(1))).toEqual({ kind: "delivered", at: "HMS000001.DAT" });
    expect(await inbox.send(packetOf(2))).toEqual({ kind: "delivered", at: "HMS000002.DAT" });
  });

  it("refuses a number with too many digits for the file name", async () => {
    await using inbox = await anInbox({ digits: 2, first: 100 });

    expect(await inbox.send(packetOf(1))).toMatchObject({
      kind: "refused",
      reason: "number 100 has more than 2 digits",
    });
  });

  it("uses no number for a packet that cannot be written", async () => {
    await using inbox = await anInbox();

    expect(await inbox.send(packetOf(1, { fields: { dailyRate: 1e9 } }))).toMatchObject({ kind: "refused" });
    await inbox.send(packetOf(2));

    expect(Object.keys(inbox.files())).toEqual(["HMS000001.DAT"]);
  });

  it("treats a packet with a known number as delivered if the inbox is not readable", async () => {
    await using inbox = await anInbox();
    await inbox.send(packetOf(1));
    inbox.server.refuses = { step: "read", status: 3 };

    expect(await inbox.send(packetOf(1))).toMatchObject({ kind: "delivered" });
  });
});

/** Every step with an effect or with a response that could be lost. */
const steps: readonly SftpStep[] = ["stat", "open", "write", "fstat", "close", "rename"];
const breaks = steps.flatMap((step) => [false, true].map((done) => ({ step, done })));

describe("interrupted upload", () => {
  it.each(breaks)(
    "a break at $step (done: $done) leaves one file per packet, numbered in order",
    async ({ step, done }) => {
      await using inbox = await anInbox();
      await inbox.send(packetOf(1));
      inbox.server.breakAt = { step, done };

      let attempts = 0;
      while ((await inbox.send(packetOf(2))).kind !== "delivered") expect(++attempts).toBeLessThan(5);
      await inbox.send(packetOf(3));

      expect(inbox.files()).toEqual({
        "HMS000001.DAT": contentOf(1),
        "HMS000002.DAT": contentOf(2),
        "HMS000003.DAT": contentOf(3),
      });
    },
  );

  it.each(["before", "after"])(
    "a crash %s the number is stored leaves one file per packet, numbered in order",
    async (when) => {
      await using inbox = await anInbox();
      const { memory } = inbox;
      const crashing: ConnectorState = {
        ...memory,
        get: () => memory.get(),
        async set(value) {
          if (when === "after") await memory.set(value);
          throw new Error("simulated crash");
        },
      };

      await expect(inbox.send(packetOf(1), { memory: crashing })).rejects.toThrow("simulated crash");
      expect(inbox.files()).toEqual({});
      await inbox.send(packetOf(1));
      await inbox.send(packetOf(2));

      expect(inbox.files()).toEqual({ "HMS000001.DAT": contentOf(1), "HMS000002.DAT": contentOf(2) });
    },
  );

  it.each(breaks)(
    "uses no number twice if a packet is discarded after a break at $step (done: $done)",
    async ({ step, done }) => {
      await using inbox = await anInbox();
      inbox.server.breakAt = { step, done };
      const first = await inbox.send(packetOf(1));

      await inbox.send(packetOf(2));

      const written = Object.entries(inbox.files()).filter(([name]) => !name.startsWith("."));
      const own = written.filter(([, text]) => text.includes("E-2"));
      expect(own).toHaveLength(1);
      // If the file may have become visible, its number is used up.
      const mayHaveLanded = first.kind === "delivered" || (first.kind === "retry" && first.mayHaveLanded);
      expect(own[0]?.[0]).toBe(mayHaveLanded ? "HMS000002.DAT" : "HMS000001.DAT");
    },
  );

  it("renames nothing if another process has changed the stored state", async () => {
    await using inbox = await anInbox();
    const stale: ConnectorState = {
      ...inbox.memory,
      get: () => inbox.memory.get(),
      set: async () => {
        throw new Error("the state of FtpFlatConnector@v1 was changed meanwhile");
      },
    };

    await expect(inbox.send(packetOf(1), { memory: stale })).rejects.toThrow("changed meanwhile");

    expect(inbox.files()).toEqual({});
  });
});

describe("SFTP connection", () => {
  it("reuses the connection for the next packet and reconnects after the server closes it", async () => {
    await using inbox = await anInbox();

    for (const i of [1, 2, 3]) await inbox.send(packetOf(i));
    expect(inbox.server.logins).toHaveLength(1);

    inbox.server.breakOff();
    expect(await inbox.send(packetOf(4))).toMatchObject({ kind: "delivered" });
    expect(inbox.server.logins).toHaveLength(2);
  });

  it("an idle connection does not keep the process alive", async () => {
    await using inbox = await anInbox();
    const to = `sftp://127.0.0.1:${inbox.server.port}/in`;
    const given = { config: { to, hostKeys: [inbox.server.hostKey], layout }, secret: { username, password } };
    const script = `
      const { connector } = await import("./connectors/ftp-flat.ts");
      const { config, secret, packet } = ${JSON.stringify({ ...given, packet: packetOf(1) })};
      const memory = { get: async () => undefined, set: async () => {} };
      const { signal } = new AbortController();
      const context = { config: connector.config.parse(config), secret, memory, signal };
      console.log((await connector.send(packet, context)).kind, performance.now());
      process.on("exit", () => console.log(performance.now()));`;

    const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", script]);

    const [kind, sentAt, endedAt] = stdout.split(/\s+/);
    expect(kind).toBe("delivered");
    expect(Number(endedAt) - Number(sentAt)).toBeLessThan(5_000);
  });

  it("opens another connection after the secret changes", async () => {
    await using inbox = await anInbox();
    await inbox.send(packetOf(1));
    inbox.server.password = "rotated";

    expect(await inbox.send(packetOf(2))).toMatchObject({ kind: "delivered" });
    expect(inbox.server.logins).toHaveLength(2);
  });

  it("asks for fresh credentials if the login is refused", async () => {
    await using inbox = await anInbox();
    const config = { to: `sftp://127.0.0.1:${inbox.server.port}/in`, hostKeys: [inbox.server.hostKey], layout };
    const context = attemptContext(connector, { config, secret: { username, password: "wrong" } });

    expect(await connector.send(packetOf(1), context)).toMatchObject({
      kind: "retry",
      auth: true,
      mayHaveLanded: false,
      reason: "the server refused the login",
    });
    expect(await connector.probe(context)).toBe(false);
  });

  it("logs in with a private key", async () => {
    using root = home();
    const { pem, publicKey } = sshKey();
    await using server = await sftpServer(root.path, publicKey);
    const config = { to: `sftp://127.0.0.1:${server.port}/`, hostKeys: [server.hostKey], layout };
    const context = attemptContext(connector, { config, secret: { username, privateKey: pem } });

    expect(await connector.send(packetOf(1), context)).toMatchObject({ kind: "delivered" });
    expect(server.logins).toEqual(["publickey"]);
    const broken = attemptContext(connector, { config, secret: { username, privateKey: "no key at all" } });
    expect(await connector.send(packetOf(1), broken)).toMatchObject({ kind: "retry", auth: true });
  });

  it.each([
    [3, "denied"],
    [4, "disk may be full"],
  ])("asks for a retry if the server answers %i to a write", async (status, reason) => {
    await using inbox = await anInbox();
    inbox.server.refuses = { step: "write", status };

    const outcome = await inbox.send(packetOf(1));

    expect(outcome).toMatchObject({ kind: "retry", mayHaveLanded: false, code: "answered" });
    expect((outcome as { reason: string }).reason).toContain(reason);
    expect(inbox.files()).toEqual({});
  });
});

describe("FTPS upload", () => {
  const secret = { username, password };

  it.each(["explicit", "implicit"] as const)("sends several files over one connection with %s TLS", async (tls) => {
    using root = home();
    const certificate = await selfSigned("localhost");
    await using server = await ftpServer(root.path, { kind: tls, certificate });
    const config = { to: `ftps://localhost:${server.port}/`, tls, ca: certificate.cert, layout };
    const memory = aMemory();

    for (const i of [1, 2, 2]) {
      expect(await connector.send(packetOf(i), attemptContext(connector, { config, secret, memory }))).toMatchObject({
        kind: "delivered",
      });
    }

    expect(readdirSync(root.path)).toEqual(["HMS000001.DAT", "HMS000002.DAT"]);
    expect(readFileSync(join(root.path, "HMS000002.DAT"), "utf8")).toBe(contentOf(2));
    expect(server.logins).toHaveLength(1);
  });

  it("delivers to vsftpd and reports a folder that is not writable", async (context) => {
    const why = missing("vsftpd");
    if (why) return context.skip(why);
    using root = home();
    mkdirSync(join(root.path, "in"));
    const certificate = await selfSigned("localhost");
    await using server = await vsftpServer(root.path, certificate);
    const config = { to: `ftps://localhost:${server.port}/in`, ca: certificate.cert, layout };
    const vsftpd = attemptContext(connector, { config, secret: { username: "anonymous", password: "any" } });

    expect(await connector.send(packetOf(1), vsftpd)).toMatchObject({ kind: "delivered" });
    chmodSync(join(root.path, "in"), 0o555);
    expect(await connector.send(packetOf(2), vsftpd)).toMatchObject({
      kind: "retry",
      mayHaveLanded: false,
      reason: "the server does not allow a file with this name (553)",
    });
  });

  it("asks for fresh credentials if the login is refused", async () => {
    using root = home();
    await using server = await ftpServer(root.path);
    const config = { to: `ftp://127.0.0.1:${server.port}/`, insecure: true, layout };

    const outcome = await connector.send(
      packetOf(1),
      attemptContext(connector, { config, secret: { username, password: "wrong" } }),
    );

    expect(outcome).toMatchObject({ kind: "retry", auth: true, mayHaveLanded: false });
  });

  it("requires a password in the secret", async () => {
    const config = { to: "ftps://localhost:9/", layout };
    const context = attemptContext(connector, { config, secret: { username, privateKey: "key" } });

    expect(await connector.send(packetOf(1), context)).toMatchObject({ kind: "retry", code: "setup" });
  });
});

describe("FtpFlatConnector configuration", () => {
  const good = { to: "ftps://host/in", layout };

  it.each([
    [{ to: "ftp://host/in" }, /unencrypted/],
    [{ to: "sftp://host/in" }, /hostKeys/],
    [{ to: "sftp://host/in", hostKeys: ["MD5:aa"] }, /fingerprint/],
    [{ to: "https://host/in" }, /not an address such as/],
    [{ file: "../HMS{number}" }, /not a file name/],
    [{ file: "HMS.DAT" }, /not a file name/],
    [{ to: "ftps://host/in%0d%0aDELE%20x" }, /control character/],
    [{ stray: 1 }, /stray/],
  ])("rejects %j", (change, issue) => {
    expect(connector.config.safeParse({ ...good, ...change }).error?.message).toMatch(issue);
  });

  it("accepts plain FTP if insecure is set", () => {
    expect(connector.config.safeParse({ ...good, to: "ftp://host/in", insecure: true }).success).toBe(true);
  });
});
