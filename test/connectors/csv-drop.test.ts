import { chmodSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import S3rver from "s3rver";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Packet } from "../../bridge/model/packet.ts";
import { connector } from "../../connectors/csv-drop.ts";
import { attemptContext } from "../support/attempt-context.ts";
import { aPacket, aVersion, noon } from "../support/builders.ts";
import { home } from "../support/home.ts";
import { sftpServer, username } from "../support/sftp-server.ts";

const columns = ["city", { field: "dailyRate", header: "Daily Rate" }];
const head = "packet_id,version,action,entity,fields,city,Daily Rate";
const newest = "2026-03-01T12:00:00.000Z/1772366400000000/0000";

/** Sends packets into a folder. Returns the outcomes and the files written there. */
async function dropped(packets: readonly Partial<Packet>[], config: object = {}) {
  using folder = home();
  const context = attemptContext(connector, { config: { to: pathToFileURL(folder.path).href, columns, ...config } });
  const outcomes = await connector.sendBatch?.(packets.map(aPacket), context);
  const names = readdirSync(folder.path);
  return { outcomes, names, bytes: names.map((name) => readFileSync(join(folder.path, name))) };
}

/** Returns the cell written for one value, or the reason it was refused. */
async function cell(value: unknown, config: object = {}): Promise<string> {
  const { outcomes = [], bytes } = await dropped([{ fields: { city: value } as Packet["fields"] }], {
    quote: "always",
    ...config,
  });
  const [outcome] = outcomes;
  if (outcome?.kind === "refused") return outcome.reason;
  return String(bytes[0]).split("\r\n")[1]?.slice(1, -1).split('","')[5] as string;
}

describe("CSV batch", () => {
  it("writes one file with a row per packet and the columns in configured order", async () => {
    const { outcomes, names, bytes } = await dropped([
      { id: "pkt-b", entity: "E-2", fields: { dailyRate: 70, city: "Reno, NV" } },
      { id: "pkt-a", entity: "E-1", fields: { dailyRate: 68 } },
      { id: "pkt-c", entity: "E-3", action: "delete", fields: {} },
    ]);

    expect(names).toEqual([expect.stringMatching(/^hms-20260301T120000000Z-[0-9a-f]{16}\.csv$/)]);
    expect(String(bytes[0])).toBe(
      [
        head,
        `pkt-a,${newest},upsert,E-1,Daily Rate,,68`,
        `pkt-b,${newest},upsert,E-2,city|Daily Rate,"Reno, NV",70`,
        `pkt-c,${newest},delete,E-3,,,`,
        "",
      ].join("\r\n"),
    );
    expect(outcomes).toEqual(Array(3).fill({ kind: "delivered", at: names[0] }));
  });

  it("writes the same file for the same packets in any order", async () => {
    const [a, b] = [{ id: "pkt-a" }, { id: "pkt-b", version: aVersion({ accepted: noon * 1_000 + 5 }) }];

    const once = await dropped([a, b]);
    const again = await dropped([b, a]);

    expect(again.names).toEqual(once.names);
    expect(again.bytes).toEqual(once.bytes);
  });

  it("writes another file if a packet has lost a superseded field", async () => {
    const once = await dropped([{ fields: { dailyRate: 68, city: "Reno" } }]);
    const again = await dropped([{ fields: { city: "Reno" } }]);

    expect(again.names).not.toEqual(once.names);
  });

  it("writes nothing if the same file exists", async () => {
    using folder = home();
    const context = attemptContext(connector, { config: { to: pathToFileURL(folder.path).href, columns } });

    await connector.send(aPacket(), context);
    const outcome = await connector.send(aPacket(), context);

    expect(outcome.kind).toBe("delivered");
    expect(readdirSync(folder.path)).toHaveLength(1);
  });

  it("delivers the valid packets and names the field of each refused one", async () => {
    const { outcomes, bytes } = await dropped([
      { id: "pkt-a", fields: { dailyRate: 68 } },
      { id: "pkt-b", fields: { hourlyRate: 9 } },
      { id: "pkt-c", fields: { city: ["Reno"] } },
      { id: "pkt-d", fields: { city: "a\0b" } },
    ]);

    expect(outcomes).toMatchObject([
      { kind: "delivered" },
      { kind: "refused", reason: "hourlyRate has no column; add it to columns in the connector's configuration" },
      { kind: "refused", reason: "city is a list or an object, which a cell cannot represent" },
      { kind: "refused", reason: "city contains a NUL character" },
    ]);
    expect(String(bytes[0]).split("\r\n")).toHaveLength(3);
  });

  it("writes no file if every packet is refused", async () => {
    const { outcomes, names } = await dropped([{ fields: { hourlyRate: 9 } }]);

    expect(outcomes).toMatchObject([{ kind: "refused" }]);
    expect(names).toEqual([]);
  });
});

describe("CSV cell", () => {
  it.each([
    ['=HYPERLINK("http://x")', `'=HYPERLINK(""http://x"")`],
    ["+1 202 555 0100", "'+1 202 555 0100"],
    ["-5", "'-5"],
    ["@SUM(A1)", "'@SUM(A1)"],
    ["  =1+1", "'  =1+1"],
    ["\u00a0=1+1", "'\u00a0=1+1"],
    ["\u200b=1+1", "'\u200b=1+1"],
    ["\t=1+1", "'\t=1+1"],
    ["\tx", "'\tx"],
    ["＝1+1", "'＝1+1"],
    ["＠x", "'＠x"],
    ["－5", "'－5"],
    ["＋5", "'＋5"],
  ])("a value that begins like a formula is written as text: %j", { tags: "row-28" }, async (value, text) => {
    expect(await cell(value)).toBe(text);
  });

  it.each([
    [-5, "-5"],
    [-0.5, "-0.5"],
    [68, "68"],
    [true, "true"],
    [null, ""],
    ["a=b", "a=b"],
    ["5-3", "5-3"],
    ["a@b.example", "a@b.example"],
    ["", ""],
  ])("a value that does not begin like a formula stays unchanged: %j", async (value, text) => {
    expect(await cell(value)).toBe(text);
  });

  it.each(["a,b", 'a"b', "a\nb", "a\rb", "a\r\nb"])(
    "quotes a value that contains a delimiter, quote or line end: %j",
    { tags: "row-28" },
    async (value) => {
      const { bytes } = await dropped([{ fields: { city: value } }]);

      expect(String(bytes[0])).toContain(`,city,"${value.replaceAll('"', '""')}",\r\n`);
    },
  );

  it("keeps a hostile entity inside its cell", { tags: "row-28" }, async () => {
    const { bytes } = await dropped([{ entity: '=cmd|"/c calc"!A1\r\n' }], { columns: ["dailyRate"] });

    expect(String(bytes[0])).toContain(`,"'=cmd|""/c calc""!A1\r\n",dailyRate,68\r\n`);
  });

  it("refuses a character that its encoding lacks instead of replacing it", async () => {
    expect((await dropped([{ fields: { city: "Żary" } }], { encoding: "windows-1252" })).outcomes).toMatchObject([
      { kind: "refused", reason: "city contains a character that windows-1252 lacks" },
    ]);
    const { bytes } = await dropped([{ fields: { city: "Curaçao €" } }], { encoding: "windows-1252" });
    expect(bytes[0]?.toString("latin1")).toContain("Cura\u00e7ao \u0080");
  });
});

describe("CSV file format", () => {
  it("uses the configured delimiter, line end, quotes and byte order mark", async () => {
    const form = { delimiter: ";", lineEnd: "lf", quote: "always", encoding: "utf-8-bom", columns: ["dailyRate"] };

    const { bytes } = await dropped([{}], form);

    expect(bytes[0]?.subarray(0, 3).toString("hex")).toBe("efbbbf");
    expect(bytes[0]?.subarray(3).toString()).toBe(
      `"packet_id";"version";"action";"entity";"fields";"dailyRate"\n"pkt-aaaaaaaaaaaaaaaa";"${newest}";"upsert";"rate-1";"dailyRate";"68"\n`,
    );
  });
});

describe("CsvDropConnector configuration", () => {
  it.each([
    [{ to: "sftp://host/drop" }, /hostKeys/],
    [{ to: "sftp://me:secret@host/drop", hostKeys: [`SHA256:${"a".repeat(43)}`] }, /contains a user name/],
    [{ to: "ftp://host/drop" }, /not an address such as/],
    [{ to: "s3://UPPER/drop" }, /not an address such as/],
    [{ to: "s3://bucket/dr*p" }, /not an address such as/],
    [{ to: "file:///srv/drop?x" }, /query/],
    [{ columns: [] }, /columns/],
    [{ columns: ["a", "a"] }, /twice/],
    [{ columns: ["a", { field: "b", header: "packet_id" }] }, /one that every file has/],
    [{ columns: ["Ł"], encoding: "windows-1252" }, /header with a character/],
    [{ stray: 1 }, /stray/],
  ])("rejects %j", (change, issue) => {
    const parsed = connector.config.safeParse({ to: "file:///srv/drop", columns, ...change });

    expect(parsed.error?.message).toMatch(issue);
  });
});

describe("CSV upload to a local folder", () => {
  it("asks for a retry if the folder is missing and never creates it", async () => {
    using folder = home();
    const to = join(folder.path, "not-mounted");
    const context = attemptContext(connector, { config: { to: pathToFileURL(to).href, columns } });

    const outcome = await connector.send(aPacket(), context);

    expect(outcome).toMatchObject({
      kind: "retry",
      mayHaveLanded: false,
      reason: expect.stringContaining("does not exist"),
    });
    expect(await connector.probe(context)).toBe(false);
    mkdirSync(to);
    expect(await connector.probe(context)).toBe(true);
    expect((await connector.send(aPacket(), context)).kind).toBe("delivered");
  });

  it.skipIf(userInfo().uid === 0)("asks for a retry if the folder is not writable", async () => {
    using folder = home();
    chmodSync(folder.path, 0o500);
    const context = attemptContext(connector, { config: { to: pathToFileURL(folder.path).href, columns } });

    expect(await connector.send(aPacket(), context)).toMatchObject({ kind: "retry", mayHaveLanded: false });
  });
});

describe("CSV upload over SFTP", () => {
  it("checks the folder after a lost response and reports the file as delivered", async () => {
    using folder = home();
    await using server = await sftpServer(folder.path);
    const config = { to: `sftp://127.0.0.1:${server.port}/`, hostKeys: [server.hostKey], columns };
    const context = attemptContext(connector, { config, secret: { username, password: server.password } });
    server.breakAt = { step: "rename", done: true };

    const outcome = await connector.send(aPacket(), context);

    expect(outcome.kind).toBe("delivered");
    expect(readdirSync(folder.path)).toHaveLength(1);
    expect(await connector.probe(context)).toBe(true);
  });

  it("asks for a retry if there is no secret", async () => {
    const config = { to: "sftp://127.0.0.1:9/", hostKeys: [`SHA256:${"a".repeat(43)}`], columns };
    const context = attemptContext(connector, { config });

    expect(await connector.send(aPacket(), context)).toMatchObject({
      kind: "retry",
      mayHaveLanded: false,
      code: "setup",
    });
    expect(await connector.probe(context)).toBe(false);
  });
});

describe("CSV upload to a bucket", () => {
  const env = { ...process.env };
  const proxyOverride: { respond?: http.RequestListener } = {};
  let proxy: http.Server;
  let folder: ReturnType<typeof home>;
  let server: S3rver;
  beforeAll(async () => {
    folder = home();
    const configureBuckets = [{ name: "drop", configs: [] }];
    const options = { port: 0, address: "127.0.0.1", silent: true, directory: folder.path, configureBuckets };
    server = new S3rver(options);
    const { port } = await server.run();
    // The proxy server can answer in place of S3rver, with failures that S3rver cannot produce.
    proxy = http.createServer((request, response) => {
      if (proxyOverride.respond) return proxyOverride.respond(request, response);
      const { method = "", url = "", headers } = request;
      const forwarded = http.request({ port, method, path: url, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      });
      request.pipe(forwarded);
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    Object.assign(process.env, {
      AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
      AWS_REGION: "us-east-1",
      AWS_ACCESS_KEY_ID: "S3RVER",
      AWS_SECRET_ACCESS_KEY: "S3RVER",
    });
  });
  afterAll(async () => {
    proxy.closeAllConnections();
    proxy.close();
    await server.close();
    process.env = env;
    folder[Symbol.dispose]();
  });

  it("stores one object if the same packet is uploaded twice", async () => {
    const context = attemptContext(connector, { config: { to: "s3://drop/hms/rates", columns } });

    expect(await connector.send(aPacket(), context)).toMatchObject({ kind: "delivered" });
    expect(await connector.send(aPacket(), context)).toMatchObject({ kind: "delivered" });

    const names = readdirSync(join(folder.path, "drop/hms/rates")).filter((name) => name.endsWith("_object"));
    expect(names).toEqual([expect.stringMatching(/^hms-.*\.csv\._S3rver_object$/)]);
    expect(await connector.probe(context)).toBe(true);
  });

  it("asks for a retry if the bucket does not exist", async () => {
    const context = attemptContext(connector, { config: { to: "s3://no-such-bucket/", columns } });

    expect(await connector.send(aPacket(), context)).toMatchObject({
      kind: "retry",
      reason: "the bucket does not exist",
    });
    expect(await connector.probe(context)).toBe(false);
  });

  const respond =
    (status: number, code: string): http.RequestListener =>
    (_, response) => {
      response.writeHead(status, { "content-type": "application/xml" });
      response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`);
    };

  // Source: Amazon S3 API Reference, "Error responses", and User Guide, "Conditional writes".
  it.each<[string, http.RequestListener, object]>([
    ["412, the object exists", respond(412, "PreconditionFailed"), { kind: "delivered" }],
    ["409, a concurrent write", respond(409, "ConditionalRequestConflict"), { kind: "retry", mayHaveLanded: false }],
    ["403, access denied", respond(403, "AccessDenied"), { kind: "retry", mayHaveLanded: false, reason: /denies/ }],
    ["503, throttled", respond(503, "SlowDown"), { kind: "retry", mayHaveLanded: true }],
    ["500", respond(500, "InternalError"), { kind: "retry", mayHaveLanded: true }],
    ["a closed connection", (request) => void request.socket.destroy(), { kind: "retry", mayHaveLanded: true }],
    [
      "10 MB of unexpected data",
      (_, response) => void response.writeHead(500).end("x".repeat(10_000_000)),
      { kind: "retry" },
    ],
  ])("maps the S3 response to an outcome: %s", async (_, answer, expected) => {
    const context = attemptContext(connector, { config: { to: "s3://drop/hms/", columns } });
    proxyOverride.respond = answer;

    const outcome = await connector.send(aPacket({ id: "pkt-failing" }), context);

    const { reason, ...expectedFields } = expected as { reason?: RegExp };
    expect(outcome).toMatchObject(expectedFields);
    if (reason) expect(outcome).toMatchObject({ reason: expect.stringMatching(reason) });
    delete proxyOverride.respond;
  });

  it("asks S3 not to overwrite an object and to encrypt with the configured key", async () => {
    const kmsKey = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/1a2b";
    const context = attemptContext(connector, { config: { to: "s3://drop/hms/", columns, kmsKey } });
    let seen: http.IncomingHttpHeaders = {};
    proxyOverride.respond = (request, response) => {
      seen = request.headers;
      response.end();
    };

    await connector.send(aPacket(), context);

    expect(seen).toMatchObject({
      "if-none-match": "*",
      "x-amz-server-side-encryption": "aws:kms",
      "x-amz-server-side-encryption-aws-kms-key-id": kmsKey,
      "content-type": "text/csv; charset=utf-8; header=present",
    });
    delete proxyOverride.respond;
  });
});
