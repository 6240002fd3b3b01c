import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { home, perDiemSheet } from "../support/home.ts";
import { bridge, serve } from "../support/serve.ts";
import { targetServer } from "../support/target-server.ts";

const raise = '{"type":"policy.per_diem.updated","data":{"new_rate":68,"old_rate":62}}';

function office(target: string) {
  return home({
    "mappings/per_diem.yaml": perDiemSheet,
    "bridge.yaml": `connectors:\n  PayrollConnector: { baseUrl: "${target}" }\n  GISTableConnector: { baseUrl: "${target}" }\ntimes: { backoffMs: [20, 40], tickMs: 50, probeMs: 100, redriveMs: 200 }\n`,
  });
}

describe("bridge sheets", () => {
  test("check says that good sheets are good, and exits 0", async () => {
    using folder = home({ "mappings/per_diem.yaml": perDiemSheet });

    const { code, out } = await bridge(folder.path, "sheets", "check");

    expect(out).toContain("1 sheets, all good");
    expect(code).toBe(0);
  });

  test("check names file, line, fault and remedy of a broken sheet, and exits 1", async () => {
    using folder = home({
      "mappings/contact.yaml":
        "source_event: contact.changed\ntargets:\n  hr:\n    connector: WorkForceNow\n    map:\n      email:\n",
      "mappings/typo.yaml":
        "source_event: x\ntragets: {}\ntargets: { a: { connector: PayrolConnector, map: { b: c } } }\n",
    });

    const { code, out } = await bridge(folder.path, "sheets", "check");

    expect(out).toMatch(/^mappings\/contact\.yaml:6: email maps to nothing; give .*"to:"$/m);
    expect(out).toMatch(/^mappings\/typo\.yaml:2: unknown key "tragets"; did you mean "targets"\?$/m);
    expect(code).toBe(1);
  });

  test("check runs the examples: one that fails is a fault", async () => {
    const example =
      "examples:\n  - name: halves\n    event: { type: policy.per_diem.updated, data: { new_rate: 68 } }\n    expect: { payroll: { dailyRate: 34 } }\n";
    using folder = home({ "mappings/per_diem.yaml": perDiemSheet + example });

    const { code, out } = await bridge(folder.path, "sheets", "check");

    expect(out).toContain(
      'mappings/per_diem.yaml:13: the example "halves" fails: payroll: dailyRate not as expected; "bridge sheets test" shows how',
    );
    expect(code).toBe(1);
  });

  test("try shows the packets a sheet would make, and needs no store", async () => {
    using folder = home({ "mappings/per_diem.yaml": perDiemSheet });

    const { code, out } = await bridge(
      folder.path,
      "sheets",
      "try",
      "mappings/per_diem.yaml",
      "--event",
      raise,
      "--json",
    );

    expect(JSON.parse(out)).toMatchObject([
      { target: "payroll", connector: "PayrollConnector", fields: { dailyRate: 68 } },
      { target: "gis", connector: "GISTableConnector", fields: { perDiemUSD: 68 } },
    ]);
    expect(code).toBe(0);
  });

  test("schema is a JSON Schema of the sheet", async () => {
    using folder = home();

    const { out } = await bridge(folder.path, "sheets", "schema");

    expect(JSON.parse(out)).toMatchObject({
      type: "object",
      required: expect.arrayContaining(["source_event", "targets"]),
    });
  });

  test("schema --governance is one of the policy", async () => {
    using folder = home();

    const { out } = await bridge(folder.path, "sheets", "schema", "--governance");

    expect(Object.keys(JSON.parse(out).properties)).toEqual(["otherwise", "classes", "rules"]);
  });
});

describe("bridge on a store", () => {
  test("asks the compliance engine and tells the webhook that bridge.yaml names", async () => {
    await using payroll = await targetServer();
    await using engine = await targetServer((_, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end('{"action":"block","rule":"esq-9"}');
    });
    await using webhook = await targetServer();
    using folder = office(payroll.url);
    const settings = readFileSync(join(folder.path, "bridge.yaml"), "utf8");
    folder.write(
      "bridge.yaml",
      `${settings}governance: { url: "${engine.url}/vet" }\nalerts: { webhook: "${webhook.url}/alerts" }\n`,
    );

    const { code, out } = await bridge(folder.path, "emit", raise);

    expect(out).toContain("governance blocks the packet (esq-9)");
    expect(code).toBe(1);
    expect(engine.received).toHaveLength(2);
    expect(payroll.received).toEqual([]);
    expect(webhook.received[0]?.body).toMatchObject({ type: "sync.packet.held" });
  });

  test("emit, outbox, explain, replay and ledger verify tell one story", async () => {
    await using target = await targetServer();
    using folder = office(target.url);

    const emitted = JSON.parse((await bridge(folder.path, "emit", raise, "--json")).out);
    const [first] = emitted.packets;
    const listed = await bridge(folder.path, "outbox");
    const explained = await bridge(folder.path, "explain", first.id);
    const replayed = await bridge(folder.path, "replay", "--from", "10m");
    const verified = await bridge(folder.path, "ledger", "verify");

    expect(emitted.settled).toBe(true);
    expect(emitted.packets.map(({ status }: { status: string }) => status)).toEqual(["SENT", "SENT"]);
    expect(listed.out).toMatch(/→ SENT payroll@\/v2\/rates {2}\(\d+ ms\)/);
    expect(explained.out).toMatch(
      /QUEUED {6}recorded with dailyRate; put on its lane\n.*SENT {8}the target took it at try 1 \(HTTP 204\).*now SENT payroll@\/v2\/rates/s,
    );
    expect(replayed.out.match(/→ UNCHANGED/g)).toHaveLength(2);
    expect(verified).toMatchObject({ code: 0, out: expect.stringContaining("all good: ") });
  });

  test("beside bridge serve, emit goes through the serving process", async () => {
    await using target = await targetServer();
    using folder = office(target.url);
    const served = await serve(folder.path);

    const { out, code } = await bridge(folder.path, "emit", raise);
    const second = await bridge(folder.path, "serve");
    await served.end("SIGTERM");

    expect(out.match(/→ SENT/g)).toHaveLength(2);
    expect(code).toBe(0);
    expect(served.lines.filter((line) => line.includes('"step":"delivered"'))).toHaveLength(2);
    expect(second).toMatchObject({ code: 3, err: expect.stringContaining("another process works on") });
    expect(served.process.exitCode).toBe(0);
  });

  test("replay is a job that jobs lists, and that cannot be cancelled once it is over", async () => {
    await using target = await targetServer();
    using folder = office(target.url);
    await bridge(folder.path, "emit", raise);
    await bridge(folder.path, "replay", "--from", "10m");

    const listed = await bridge(folder.path, "jobs");
    const [job] = JSON.parse((await bridge(folder.path, "jobs", "--json")).out);
    const cancelled = await bridge(folder.path, "jobs", "--cancel", job.id);
    const missing = await bridge(folder.path, "jobs", "--cancel", "job-none");

    expect(listed.out).toMatch(/^job-\w+ +replay +DONE +2 +2 +\d{4}/m);
    expect(cancelled).toMatchObject({ code: 1, out: `${job.id} is DONE\n` });
    expect(missing).toMatchObject({ code: 1, out: expect.stringContaining("there is no job-none") });
  });

  test("shadow forget has the same value sent again", async () => {
    await using target = await targetServer();
    using folder = office(target.url);
    await bridge(folder.path, "emit", raise);

    const forgotten = await bridge(folder.path, "shadow", "forget", "PayrollConnector");
    const unknown = await bridge(folder.path, "shadow", "forget", "GISTableConnector", "--entity", "nobody");
    const again = JSON.parse((await bridge(folder.path, "emit", raise, "--json")).out);

    expect(forgotten).toMatchObject({ code: 0, out: "forgotten: what PayrollConnector@v1 holds of every record\n" });
    expect(unknown.code).toBe(1);
    expect(again.packets.map(({ status }: { status: string }) => status)).toEqual(["SENT", "UNCHANGED"]);
  });

  test("replay --dry-run says what would become of the packets, and sends nothing", async () => {
    await using target = await targetServer();
    using folder = office(target.url);
    await bridge(folder.path, "emit", raise);
    const before = target.received.length;

    const told = await bridge(folder.path, "replay", "--from", "1h", "--dry-run");
    const forced = JSON.parse(
      (await bridge(folder.path, "replay", "--from", "1h", "--dry-run", "--force", "--json")).out,
    );
    const jobs = JSON.parse((await bridge(folder.path, "jobs", "--json")).out);

    expect(told.code).toBe(0);
    expect(told.out).toContain("2 packets in this time; nothing was sent");
    expect(told.out).toContain("2 would end UNCHANGED");
    expect(forced).toEqual({ looked: 2, sent: 2, unchanged: 0, superseded: 0, held: 0 });
    expect(target.received).toHaveLength(before);
    expect(jobs).toEqual([]);
  });

  test("replay --sheet current sends what today's sheet makes of the events", async () => {
    await using target = await targetServer();
    using folder = office(target.url);
    await bridge(folder.path, "emit", raise);
    folder.write("mappings/per_diem.yaml", perDiemSheet.replace("perDiemUSD", "usdPerDay"));

    const { code, out } = await bridge(
      folder.path,
      "replay",
      "--from",
      "1h",
      "--sheet",
      "current",
      "--per-second",
      "100",
      "--json",
    );

    expect(code).toBe(0);
    expect(
      JSON.parse(out)
        .packets.map(({ status }: { status: string }) => status)
        .sort(),
    ).toEqual(["SENT", "UNCHANGED"]);
    expect(target.received.at(-1)?.body).toEqual({ usdPerDay: 68 });
  });

  test("backfill brings old events to a new target, says first what it would do, and does it once", async () => {
    await using target = await targetServer();
    using folder = office(target.url);
    const [before] = perDiemSheet.split("  gis:");
    folder.write("mappings/per_diem.yaml", before as string);
    await bridge(folder.path, "emit", raise);
    folder.write("mappings/per_diem.yaml", perDiemSheet);

    const dry = await bridge(folder.path, "backfill", "--since", "1h", "--target", "per_diem.gis", "--dry-run");
    const first = await bridge(folder.path, "backfill", "--since", "1h", "--connector", "GISTableConnector");
    const second = JSON.parse(
      (await bridge(folder.path, "backfill", "--since", "1h", "--target", "per_diem.gis", "--json")).out,
    );

    expect(dry).toMatchObject({
      code: 0,
      out: expect.stringMatching(
        /1 events looked at; nothing was made\n.*\nper_diem\.gis +1 +0 +0\nper_diem\.gis {2}upsert .* \{"perDiemUSD":68\}/,
      ),
    });
    expect(first).toMatchObject({ code: 0, out: "1 events looked at, 1 packets made\n1 SENT\n" });
    expect(second).toMatchObject({ looked: 1, made: 0, malformed: { lines: 0 }, statuses: {}, settled: true });
    expect(target.received).toHaveLength(2);
  });

  test("backfill --file takes a snapshot from an allowed place, names the lines that are no events, and exits 1", async () => {
    await using target = await targetServer();
    using folder = office(target.url);
    const line = JSON.stringify({
      source: "hms.export",
      type: "policy.per_diem.updated",
      subject: "r",
      data: { new_rate: 70 },
    });
    folder.write("snapshots/rates.ndjson", `${line}\nnot json\n`);
    folder.write("elsewhere.ndjson", line);
    folder.write("bridge.yaml", `${readFileSync(join(folder.path, "bridge.yaml"), "utf8")}places: [snapshots]\n`);
    const backfill = (...more: string[]) => bridge(folder.path, "backfill", "--target", "per_diem.payroll", ...more);

    const { code, out } = await backfill("--file", "snapshots/rates.ndjson", "--as-of", "2026-01-01T00:00:00Z");
    const again = await backfill("--file", "snapshots/rates.ndjson", "--as-of", "2026-01-01T00:00:00Z", "--json");
    const untimed = await backfill("--file", "snapshots/rates.ndjson", "--dry-run");
    const forbidden = await backfill("--file", "elsewhere.ndjson");

    expect(untimed).toMatchObject({ code: 1, out: expect.stringContaining("line 1: time: is missing") });
    expect(out).toBe("2 lines looked at, 1 packets made\n1 SENT\n1 line is no event:\n  line 2: is not JSON\n");
    expect(code).toBe(1);
    expect(JSON.parse(again.out)).toMatchObject({ looked: 2, made: 0 });
    expect(target.received.map(({ body }) => body)).toEqual([{ dailyRate: 70 }]);
    expect(forbidden).toMatchObject({ code: 3, err: expect.stringContaining('in bridge.yaml under "places:"') });
  });

  test("serve ends with a clear line when its store is deleted", async () => {
    await using target = await targetServer();
    using folder = office(target.url);
    const served = await serve(folder.path);

    rmSync(join(folder.path, ".bridge"), { recursive: true });
    await once(served.process, "exit");

    expect(served.process.exitCode).toBe(3);
    expect(served.lines.join("\n")).toContain("the store .bridge was deleted or replaced");
  });

  test("probe tells a target that is awake from one that is asleep", async () => {
    await using target = await targetServer();
    using folder = office(target.url);

    const awake = await bridge(folder.path, "probe", "PayrollConnector");
    await target.sleep();
    const asleep = await bridge(folder.path, "probe", "PayrollConnector", "--json");
    const connectors = JSON.parse((await bridge(folder.path, "connectors", "--json")).out);

    expect(awake).toMatchObject({ code: 0, out: "PayrollConnector@v1 is awake\n" });
    expect(asleep.code).toBe(1);
    expect(JSON.parse(asleep.out)).toEqual({ connector: "PayrollConnector@v1", awake: false });
    expect(connectors).toContainEqual(expect.objectContaining({ connector: "PayrollConnector@v1", health: "DOWN" }));
  });

  test("ledger verify names the place of a changed entry, and exits 1", async () => {
    await using target = await targetServer();
    using folder = office(target.url);
    const { packets } = JSON.parse((await bridge(folder.path, "emit", raise, "--json")).out);
    const db = new DatabaseSync(join(folder.path, ".bridge", "bridge.db"));
    db.exec("DROP TRIGGER ledger_keeps_entries");
    db.prepare("UPDATE ledger SET entry = replace(entry, '\"http\":204', '\"http\":200') WHERE entry LIKE ?").run(
      `%${packets[0].id}%`,
    );
    db.close();

    const { code, out } = await bridge(folder.path, "ledger", "verify", "--json");

    expect(JSON.parse(out).fault).toEqual({
      chain: packets[0].id,
      seq: 2,
      message: "was changed after it was written",
    });
    expect(code).toBe(1);
  });

  test("a faulty sheet, or none, keeps nobody from looking, nor from pausing", async () => {
    await using target = await targetServer();
    using folder = office(target.url);
    await bridge(folder.path, "emit", raise);
    writeFileSync(join(folder.path, "mappings", "worse.yaml"), "targets: {}\n");

    const runs = [
      await bridge(folder.path, "outbox"),
      await bridge(folder.path, "outbox", "--json"),
      await bridge(folder.path, "connectors", "pause", "PayrollConnector", "--reason", "to be sure"),
      await bridge(folder.path, "outbox", "--mappings", "nowhere"),
    ];

    for (const { code, out } of runs) expect({ code, out }).toMatchObject({ code: 0, out: expect.stringMatching(/./) });
    expect(runs[0]?.out).toMatch(/→ SENT payroll@\/v2\/rates {2}\(\d+ ms\)\n.* → SENT gis@.*\n\nin all: 2 SENT/);
    expect(runs[0]?.err).toMatch(/mappings\/worse\.yaml:1: source_event is missing/);
    expect(JSON.parse(runs[1]?.out ?? "")).toMatchObject([{ status: "SENT", at: "/v2/rates" }, { target: "gis" }]);
    expect(runs[3]?.err).toBe("");
  });

  test("a held packet makes emit exit 1 and says why", async () => {
    await using target = await targetServer();
    using folder = office(target.url);
    const secret = '{"type":"policy.per_diem.updated","data":{"new_rate":"123-45-6789"}}';

    const { code, out } = await bridge(folder.path, "emit", secret);

    expect(out).toContain("→ HELD payroll  (governance blocks dailyRate (otherwise))");
    expect(out).not.toContain("123-45-6789");
    expect(target.received).toEqual([]);
    expect(code).toBe(1);
  });

  test.each<[string, Record<string, string>, RegExp]>([
    ["no mapping sheets", {}, /there is no folder mappings with mapping sheets here/],
    ["a faulty sheet", { "mappings/a.yaml": "targets: {}\n" }, /mappings\/a\.yaml:1: source_event is missing/],
    ["a mistyped setting", { "mappings/a.yaml": perDiemSheet, "bridge.yaml": "tims: {}\n" }, /bridge\.yaml: .*"tims"/],
    [
      "an unknown connector",
      { "mappings/a.yaml": perDiemSheet, "bridge.yaml": "connectors: { Payrol: {} }\n" },
      /no connector is called Payrol/,
    ],
    ["a key others may read", { "mappings/a.yaml": perDiemSheet, ".bridge/key": "00" }, /chmod 600 .*key/],
    [
      "a store that is none",
      { "mappings/a.yaml": perDiemSheet, ".bridge/bridge.db": "this is no database, and long enough" },
      /not a database/,
    ],
  ])("with %s, serve and emit say so in one line and end", async (_, files, wanted) => {
    using folder = home(files);

    const runs = [await bridge(folder.path, "serve"), await bridge(folder.path, "emit", raise)];

    for (const { code, err } of runs) {
      expect(err).toMatch(wanted);
      expect(err).not.toMatch(/suppressed|^\s+at /m);
      expect(code).toBeGreaterThan(0);
    }
  });

  test("emit --file names the line that is no event, and what was accepted before it", async () => {
    await using target = await targetServer();
    using folder = office(target.url);
    folder.write("events.ndjson", `${raise}\n\n${raise}\nnot json\n`);

    const { code, err } = await bridge(folder.path, "emit", "--file", "events.ndjson");

    expect(err).toContain("events.ndjson:4: the event is not JSON; 2 events were accepted before it");
    expect(code).toBe(2);
  });

  test.each([
    ["an unknown verb", ["frobnicate"], 2],
    ["no event", ["emit"], 2],
    ["an event that is not JSON", ["emit", "{"], 2],
    ["a time that is none", ["replay", "--from", "yesterday"], 2],
    ["an unknown connector", ["probe", "Nobody"], 2],
    ["a back-fill of nothing", ["backfill", "--target", "per_diem.gis"], 2],
    ["a back-fill to nobody", ["backfill", "--since", "1h"], 2],
    ["a back-fill to an unknown target", ["backfill", "--since", "1h", "--target", "per_diem.nobody"], 2],
    ["an unknown choice of sheets", ["replay", "--from", "1h", "--sheet", "old"], 2],
    ["an unknown connector to replay", ["replay", "--from", "1h", "--connector", "Nobody"], 2],
    ["a count that is none", ["outbox", "--limit", "abc"], 2],
    ["a wait that is none", ["emit", raise, "--wait", "soon"], 2],
    ["a store that is not there", ["outbox", "--dir", "nowhere"], 3],
    ["a packet that is not there", ["explain", "pkt-aaaaaaaaaaaaaaaa"], 1],
  ])("%s ends with its own exit code and one clear line", async (_, args, wanted) => {
    using folder = office("http://127.0.0.1:9");
    writeFileSync(join(folder.path, "marker"), "");
    if (args[0] === "explain") await bridge(folder.path, "probe", "PayrollConnector");

    const { code, err } = await bridge(folder.path, ...args);

    expect(code).toBe(wanted);
    expect(err.trim().split("\n").length).toBeLessThanOrEqual(2);
    expect(err).not.toMatch(/^\s+at /m);
  });
});
