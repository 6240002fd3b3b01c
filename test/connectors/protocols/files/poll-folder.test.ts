import { appendFileSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import type { ConnectorState, InboundMessage, NotPolled, Polled } from "../../../../bridge/model/connector.ts";
import { connector as csvDrop } from "../../../../connectors/csv-drop.ts";
import { connector as ftpFlat } from "../../../../connectors/ftp-flat.ts";
import type { Folder } from "../../../../connectors/protocols/files/folder.ts";
import { localFolder } from "../../../../connectors/protocols/files/local-folder.ts";
import { type PickUpConfig, pickUpSchema, pollFolder } from "../../../../connectors/protocols/files/poll-folder.ts";
import { Bridge } from "../../../../index.ts";
import { aMemory, attemptContext } from "../../../support/attempt-context.ts";
import { selfSigned } from "../../../support/certificates.ts";
import { folderIn, onEachFolder, type Served } from "../../../support/folders.ts";
import { ftpServer, username as ftpUser } from "../../../support/ftp-server.ts";
import { home } from "../../../support/home.ts";
import { sftpServer, username } from "../../../support/sftp-server.ts";
import { targetServer } from "../../../support/target-server.ts";

const configOf = (change: object = {}) => pickUpSchema(["file:"], "").parse({ from: "file:///out", ...change });

/** Polls a folder with a state that lasts over several polls. */
function folderPoller(served: Pick<Served, "use">, config: PickUpConfig = configOf({ whole: "renamed" })) {
  const memory = aMemory();
  const poll = async (state: ConnectorState = memory): Promise<Polled> => {
    const { signal } = new AbortController();
    const polled = await pollFolder((_, work) => served.use(work), config, { memory: state, signal });
    if ("reason" in polled) throw new Error(polled.reason);
    return polled;
  };
  /** Returns all messages, page by page, and confirms each page as taken. */
  const all = async (): Promise<InboundMessage[]> => {
    const messages: InboundMessage[] = [];
    for (let more = true; more; ) {
      const polled = await poll();
      messages.push(...polled.messages);
      await polled.taken();
      more = polled.more ?? false;
    }
    return messages;
  };
  return { memory, poll, all };
}

/** Local folder with its poller. */
function aFolder(change: object = {}) {
  const folder = home();
  const taken = folderIn(folder.path, "taken");
  const file = (name: string) => join(folder.path, name);
  const served = {
    use: <T>(work: (folder: ReturnType<typeof localFolder>) => Promise<T>) => work(localFolder(folder.path)),
  };
  return {
    ...folderPoller(served, configOf({ whole: "renamed", ...change })),
    path: folder.path,
    taken,
    put: (name: string, content: string | Buffer, at?: Date) => {
      writeFileSync(file(name), content);
      if (at) utimesSync(file(name), at, at);
    },
    file,
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

const dataOf = (messages: readonly InboundMessage[]) => messages.map(({ data, unreadable }) => unreadable ?? data);

onEachFolder("folder polling", (promise) => {
  promise("returns each row once and moves each file away", async (served, path) => {
    const taken = folderIn(path, "taken");
    writeFileSync(join(path, "rates.csv"), "city,rate\r\nDenver,68\r\nBoston,70\r\n");
    writeFileSync(join(path, "notes.txt"), "not wanted");
    const { all } = folderPoller(served);

    expect(dataOf(await all())).toEqual([
      { city: "Denver", rate: "68" },
      { city: "Boston", rate: "70" },
    ]);
    expect(await all()).toEqual([]);
    expect(readdirSync(path).sort()).toEqual(["notes.txt", "taken"]);
    expect(readdirSync(taken)).toEqual([expect.stringMatching(/^\d{8}T\d{9}Z-[0-9a-f]{8}-rates\.csv$/)]);
  });

  promise("treats a later file with the same name and content as a new file", async (served, path) => {
    const taken = folderIn(path, "taken");
    const { all } = folderPoller(served);
    const ids = new Set<string>();

    for (let day = 0; day < 3; day++) {
      writeFileSync(join(path, "rates.csv"), "city,rate\nDenver,68\n");
      for (const { id } of await all()) ids.add(id);
    }

    expect(ids.size).toBe(3);
    expect(readdirSync(taken)).toHaveLength(3);
  });

  promise("leaves a file alone while it is still being written", async (served, path) => {
    folderIn(path, "taken");
    const { poll, all } = folderPoller(served, configOf());
    writeFileSync(join(path, "rates.csv"), "city,rate\nDen");
    expect((await poll()).messages).toEqual([]);
    appendFileSync(join(path, "rates.csv"), "ver,68\n");
    expect((await poll()).messages).toEqual([]);

    expect(dataOf(await all())).toEqual([{ city: "Denver", rate: "68" }]);
  });

  promise("reports a missing folder for taken files and returns no row", async (served, path) => {
    writeFileSync(join(path, "rates.csv"), "city,rate\nDenver,68\n");
    const { poll, all } = folderPoller(served);

    await expect(poll()).rejects.toThrow(/cannot be moved to the subfolder taken/);
    expect(readdirSync(path)).toEqual(["rates.csv"]);
    folderIn(path, "taken");
    expect(await all()).toHaveLength(1);
  });
});

describe("interrupted polling", () => {
  /** State that simulates a crash just before or just after write number `writes`. */
  function crashing(memory: ConnectorState, writes: number, when: "before" | "after"): ConnectorState {
    let count = 0;
    return {
      isOpen: async () => false,
      get: () => memory.get(),
      async set(value) {
        const isEnd = ++count === writes;
        if (isEnd && when === "before") throw new Error("simulated crash");
        await memory.set(value);
        if (isEnd) throw new Error("simulated crash");
      },
    };
  }

  it.each([
    [1, "before"],
    [1, "after"],
    [2, "before"],
    [2, "after"],
  ] as const)("a crash at state write %i (%s) loses no row and changes no id", async (writes, when) => {
    using folder = aFolder();
    folder.put("a.csv", "n\n1\n2\n3\n");
    folder.put("b.csv", "n\n4\n");
    const received = new Map<string, unknown>();
    const receive = ({ messages }: Polled) => {
      for (const { id, data } of messages) received.set(id, data.n);
    };

    const pollAndConfirm = async () => {
      const polled = await folder.poll(crashing(folder.memory, writes, when));
      receive(polled);
      await polled.taken();
      throw new Error("there was no crash");
    };
    if (writes === 1) await expect(pollAndConfirm()).rejects.toThrow("simulated crash");
    else {
      const memory = crashing(folder.memory, writes, when);
      const polled = await folder.poll(memory);
      receive(polled);
      await expect(polled.taken()).rejects.toThrow("simulated crash");
    }
    for (const message of await folder.all()) received.set(message.id, message.data.n);

    expect([...received.values()].sort()).toEqual(["1", "2", "3", "4"]);
    expect(readdirSync(folder.taken)).toHaveLength(2);
  });

  it("reads a file that was moved before the crash from its new folder", async () => {
    using folder = aFolder();
    folder.put("a.csv", "n\n1\n");
    const first = await folder.poll();
    expect(readdirSync(folder.path)).toEqual(["taken"]);

    const again = await folder.poll();

    expect(again.messages).toEqual(first.messages);
  });

  it("continues with the next file if the current one disappears", async () => {
    using folder = aFolder();
    folder.put("a.csv", "n\n1\n", new Date("2026-03-01"));
    folder.put("b.csv", "n\n2\n");
    await folder.poll();
    for (const name of readdirSync(folder.taken)) rmSync(join(folder.taken, name));

    expect(dataOf(await folder.all())).toEqual([{ n: "2" }]);
  });
});

describe("polled file", () => {
  it("waits until a moved file has stopped growing", async () => {
    using folder = aFolder();
    folder.put("a.csv", "n\n1\n");
    const { memory } = folder;
    const renaming: ConnectorState = {
      isOpen: async () => false,
      get: () => memory.get(),
      async set(value) {
        await memory.set(value);
        appendFileSync(folder.file("a.csv"), "2\n");
      },
    };

    expect((await folder.poll(renaming)).messages).toEqual([]);

    expect(dataOf(await folder.all())).toEqual([{ n: "1" }, { n: "2" }]);
  });

  it("returns many rows in pages, each row once", async () => {
    using folder = aFolder();
    folder.put("a.csv", `n,text\n${Array.from({ length: 1_234 }, (_, i) => `${i},"x\ny"\n`).join("")}`);
    const first = await folder.poll();

    expect(first.messages).toHaveLength(500);
    const all = await folder.all();

    expect(all.map(({ data }) => data.n)).toEqual(Array.from({ length: 1_234 }, (_, i) => String(i)));
    expect(new Set(all.map(({ id }) => id)).size).toBe(1_234);
  });

  it("downloads a file once and not for each page", async () => {
    using folder = aFolder();
    const rows = Array.from({ length: 1_200 }, (_, i) => `city-${i},${i}`);
    folder.put("rates.csv", `city,rate\n${rows.join("\n")}\n`);
    let reads = 0;
    const counting: Pick<Served, "use"> = {
      use: (work) =>
        work({
          ...localFolder(folder.path),
          read(name, maxBytes) {
            reads++;
            return localFolder(folder.path).read(name, maxBytes);
          },
        }),
    };

    expect(await folderPoller(counting).all()).toHaveLength(1_200);
    expect(reads).toBe(1);
  });

  it("reads files in order of their change time regardless of their names", async () => {
    using folder = aFolder();
    folder.put("a.csv", "n\n2\n", new Date("2026-03-01T12:00:01Z"));
    folder.put("b.csv", "n\n1\n", new Date("2026-03-01T12:00:00Z"));

    const messages = await folder.all();

    expect(dataOf(messages)).toEqual([{ n: "1" }, { n: "2" }]);
    expect(messages[0]?.at).toBe(Date.parse("2026-03-01T12:00:00Z"));
  });

  it.each([".rates.csv", ".rates.csv.1f2e.part", "rates.csv.part", "rates.CSV"])(
    "leaves a file named %s alone",
    async (name) => {
      using folder = aFolder();
      folder.put(name, "n\n1\n");

      expect(await folder.all()).toEqual([]);
      expect(readdirSync(folder.path)).toContain(name);
    },
  );

  it("treats pattern characters in a file name literally", async () => {
    using folder = aFolder({ files: "rates.$x-*.csv" });
    folder.put("rates.$x-1.csv", "n\n1\n");
    folder.put("ratesZ$x-1.csv", "n\n2\n");

    expect(dataOf(await folder.all())).toEqual([{ n: "1" }]);
  });

  it.each(["../../etc/x.csv", "a/x.csv", "x\n.csv", `${"x".repeat(200)}.csv`])(
    "ignores the unsafe file name %j from a server",
    async (name) => {
      using folder = home();
      const touched: string[] = [];
      const hostile = new Proxy(localFolder(folder.path), {
        get: (own, key: keyof Folder) => {
          if (key === "list") return async () => [{ name, bytes: 1 }];
          touched.push(key);
          return own[key];
        },
      });
      const { all } = folderPoller({ use: (work) => work(hostile) });

      expect(await all()).toEqual([]);
      expect(touched).toEqual([]);
    },
  );

  it("reports a file over the size limit and continues with the next", async () => {
    using folder = aFolder();
    folder.put("a.csv", Buffer.alloc(8_388_609, "x"), new Date("2026-03-01"));
    folder.put("b.csv", "n\n1\n");

    expect(dataOf(await folder.all())).toEqual(["the file has 8388609 bytes; the limit is 8388608", { n: "1" }]);
  });

  it("moves a file without rows away and returns no message", async () => {
    using folder = aFolder();
    folder.put("a.csv", "");
    folder.put("b.csv", "n\n");
    folder.put("c.csv", "\r\n\r\n");

    expect(await folder.all()).toEqual([]);
    expect(readdirSync(folder.taken)).toHaveLength(3);
  });
});

describe("unreadable row", () => {
  it.each<[row: string, file: string, wanted: unknown[], change?: object]>([
    ["with too few cells", "a,b\n1\n2,3\n", ["line 2 has 1 cell instead of 2", { a: "2", b: "3" }]],
    ["with too many cells", "a,b\n1,2,3\n2,3\n", ["line 2 has 3 cells instead of 2", { a: "2", b: "3" }]],
    ["with a stray quote", 'a,b\n1,x"y\n2,3\n', ["line 2 has a misplaced quote", { a: "2", b: "3" }]],
    ["with text behind a quote", 'a,b\n1,"x"y\n2,3\n', ["line 2 has a misplaced quote", { a: "2", b: "3" }]],
    ["with an unclosed quote", 'a,b\n\n1,"x\n2,3\n', ["line 3 opens a quote that is never closed", { a: "2", b: "3" }]],
    [
      "over the size limit",
      `a,b\n1,${"x".repeat(300_000)}\n2,3\n`,
      ["line 2 is larger than 262144 bytes", { a: "2", b: "3" }],
    ],
    [
      "with bytes outside its encoding",
      "a,b\n1,\xff\n2,3\n",
      ["line 2 contains bytes that are invalid in its encoding", { a: "2", b: "3" }],
    ],
    ["that is a header with a duplicate name", "a,a\n1,2\n", ["line 1 is the header row and has a duplicate name"]],
    ["that is a header without a name", "a,\n1,2\n", ["line 1 is the header row and has a column without a name"]],
    ["that is not JSON", '{"a"\n{"a":1}\n', ["line 1 is not JSON", { a: 1 }], { form: "ndjson" }],
    ["that is not an object", '[1]\n\n{"a":1}', ["line 1 is not a JSON object", { a: 1 }], { form: "ndjson" }],
  ])("reports a row %s with its line and reads the rest", async (_, content, wanted, change) => {
    using folder = aFolder({ files: "*", ...change });
    folder.put("a.csv", Buffer.from(content, "latin1"));

    const messages = await folder.all();

    expect(dataOf(messages)).toEqual(wanted);
    expect(messages[0]?.data).toMatchObject({ file: "a.csv", line: expect.any(Number), text: expect.any(String) });
    expect(String(messages[0]?.data.text).length).toBeLessThan(2_049);
  });

  it("reports the right line number on a later page", async () => {
    using folder = aFolder();
    folder.put("a.csv", `a\n${'"x\ny"\n'.repeat(600)}1,2\n`);

    expect(dataOf(await folder.all()).at(-1)).toBe("line 1202 has 2 cells instead of 1");
  });

  it("reads 2,000 unclosed quotes within 5 s", async () => {
    using folder = aFolder();
    folder.put("a.csv", `a,b\n${'1,"x\n'.repeat(2_000)}`);
    const began = performance.now();

    expect(await folder.all()).toHaveLength(2_000);

    expect(performance.now() - began).toBeLessThan(5_000);
  });
});

describe("polled file format", () => {
  it.each<[object, string | Buffer, object]>([
    [{ delimiter: ";" }, 'a;b\n"1;2";3\n', { a: "1;2", b: "3" }],
    [{ columns: ["x", "y"] }, "1,2\n", { x: "1", y: "2" }],
    [{ encoding: "windows-1252" }, Buffer.from("a\nCura\xe7ao \x80\n", "latin1"), { a: "Curaçao €" }],
    [{}, "\u{feff}a\nZoë\n", { a: "Zoë" }],
    [{}, 'a,b\r\n"x ""y""\r\nz",2\r\n', { a: 'x "y"\r\nz', b: "2" }],
    [{}, " a ,b\n1,\n", { a: "1", b: "" }],
    [{ form: "ndjson" }, '{"a":{"b":[1,null]}}\r\n', { a: { b: [1, null] } }],
    [{ form: "ndjson" }, '\u{feff}{"a":1}', { a: 1 }],
  ])("reads a file with the format %j", async (change, content, data) => {
    using folder = aFolder(change);
    folder.put("a.csv", content);

    expect(dataOf(await folder.all())).toEqual([data]);
  });
});

describe("connectors with pickUp", () => {
  const columns = ["city"];
  const layout = { lines: { form: "fixed", detail: [{ field: "rate", width: 9, number: {} }] } };
  const hostKeys = [`SHA256:${"a".repeat(43)}`];

  it("CsvDropConnector polls over SFTP and reports a refused login", async () => {
    using root = home();
    folderIn(root.path, "taken");
    await using server = await sftpServer(root.path);
    root.write("a.csv", "n\n1\n");
    const from = `sftp://127.0.0.1:${server.port}/`;
    const config = { to: "s3://bucket/drop", hostKeys: [server.hostKey], columns, pickUp: { from, whole: "renamed" } };
    const poll = (password: string) =>
      csvDrop.poll?.(attemptContext(csvDrop, { config, secret: { username, password } }));

    expect(await poll("wrong")).toEqual({ reason: "the server refused the login", auth: true });
    expect(await poll(server.password)).toMatchObject({ messages: [{ data: { n: "1" } }] });
  });

  it("FtpFlatConnector polls over FTPS", async () => {
    using root = home();
    folderIn(root.path, "taken");
    const certificate = await selfSigned("localhost");
    await using server = await ftpServer(root.path, { kind: "explicit", certificate });
    root.write("a.csv", "n\n1\n");
    const address = `ftps://localhost:${server.port}/`;
    const config = { to: `${address}in`, ca: certificate.cert, layout, pickUp: { from: address, whole: "renamed" } };

    const polled = await ftpFlat.poll?.(
      attemptContext(ftpFlat, { config, secret: { username: ftpUser, password: server.password } }),
    );

    expect(polled).toMatchObject({ messages: [{ data: { n: "1" } }] });
  });

  it("reports a failure without the name of the file", async () => {
    using root = home();
    folderIn(root.path, "taken");
    await using server = await sftpServer(root.path);
    root.write("ann-smith.csv", "n\n1\n");
    server.refuses = { step: "read", status: 3 };
    const from = `sftp://127.0.0.1:${server.port}/`;
    const config = { to: "s3://bucket/drop", hostKeys: [server.hostKey], columns, pickUp: { from, whole: "renamed" } };

    const polled = (await csvDrop.poll?.(
      attemptContext(csvDrop, { config, secret: { username, password: server.password } }),
    )) as NotPolled;

    expect(polled.reason).toBe("the file cannot be accessed: permission denied");
  });

  it("polls only if pickUp is configured", () => {
    const config = csvDrop.config.parse({ to: "file:///srv/drop", columns });

    expect(csvDrop.polls?.(config)).toBe(false);
    expect(csvDrop.polls?.({ ...config, pickUp: configOf() })).toBe(true);
  });

  it.each([
    [csvDrop, { to: "file:///srv/drop", columns, pickUp: { from: "sftp://host/out" } }, /hostKeys/],
    [csvDrop, { to: "file:///srv/drop", columns, pickUp: { from: "ftp://host/out" } }, /not an address such as/],
    [csvDrop, { to: "file:///srv/drop/", columns, pickUp: { from: "file:///srv/drop" } }, /would read its own files/],
    [
      csvDrop,
      { to: "file:///srv/drop", columns, pickUp: { from: "file:///out", taken: "../x" } },
      /not a name of at most/,
    ],
    [csvDrop, { to: "file:///srv/drop", columns, pickUp: { from: "file:///out", files: "a/*.csv" } }, /not a pattern/],
    [ftpFlat, { to: "ftps://host/in", layout, pickUp: { from: "ftp://host/out" } }, /unencrypted/],
    [ftpFlat, { to: "ftps://host/in", layout, pickUp: { from: "sftp://host/out" } }, /hostKeys/],
    [ftpFlat, { to: "sftp://host/in", hostKeys, layout, pickUp: { from: "file:///out" } }, /not an address such as/],
  ])("rejects the invalid folder configuration %#", ({ config }, given, issue) => {
    expect(config.safeParse(given).error?.message).toMatch(issue);
  });

  it("refuses to deploy with a local folder", () => {
    const config = csvDrop.config.parse({ to: "s3://bucket/drop", columns, pickUp: { from: "file:///out" } });

    expect(csvDrop.needs?.(config)).toEqual({ issue: "pickUp.from is a local folder; on AWS, give an sftp: address" });
  });
});

describe("folder polling through the whole bridge", () => {
  it("turns rows into events once and quarantines a malformed row with its line", async () => {
    using folder = home();
    const out = folderIn(folder.path, "out");
    const taken = folderIn(out, "taken");
    await using gis = await targetServer();
    await using bridge = new Bridge({
      dir: ":memory:",
      mappings: [
        { file: "rate-files.yaml", text: readFileSync("examples/sheets/rate-files.yaml", "utf8") },
        {
          file: "rate-map.yaml",
          text: "{ source_event: policy.per_diem.updated, key: subject, targets: { gis: { connector: GISTableConnector, map: { new_rate: usd } } } }",
        },
      ],
      connectors: {
        GISTableConnector: { baseUrl: gis.url },
        CsvDropConnector: {
          to: pathToFileURL(folder.path).href,
          columns: ["city"],
          pickUp: { from: pathToFileURL(out).href, files: "rates-*.csv" },
        },
      },
      times: { pollMs: 100, tickMs: 50 },
    });
    await bridge.open();
    writeFileSync(join(out, ".rates"), "City,Daily Rate\nDenver,68\nBoston\nReno,71\nDenver,69\n");
    renameSync(join(out, ".rates"), join(out, "rates-1.csv"));

    await expect.poll(() => gis.received.length, { timeout: 10_000 }).toBeGreaterThan(1);
    await bridge.settled();

    const last = new Map(gis.received.map(({ path, body }) => [path.split("/").at(-1), body]));
    expect(last).toEqual(
      new Map([
        ["Denver", { usd: 69 }],
        ["Reno", { usd: 71 }],
      ]),
    );
    expect(readdirSync(taken)).toHaveLength(1);
    const engine = await bridge.engine();
    const events = await engine.store.events({ limit: 20 });
    const refused = events.filter(({ value }) => value.status === "QUARANTINED").map(({ value }) => value);
    expect(refused.map(({ reason }) => reason)).toEqual(["line 3 has 1 cell instead of 2"]);
    expect(refused[0]?.raw).toContain("Boston");
    expect((await bridge.tally()).events).toMatchObject({ QUARANTINED: 1, duplicates: 0 });
  });
});
