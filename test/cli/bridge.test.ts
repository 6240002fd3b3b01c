import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { home, perDiemSheet } from "../support/home.ts";
import { bridge, serve } from "../support/serve.ts";
import { targetServer } from "../support/target-server.ts";

const event = '{"type":"policy.per_diem.updated","data":{"new_rate":68,"old_rate":62}}';

function bridgeFolder(target: string) {
  return home({
    "mappings/per_diem.yaml": perDiemSheet,
    "bridge.yaml": `connectors:\n  PayrollConnector: { baseUrl: "${target}" }\n  GISTableConnector: { baseUrl: "${target}" }\ntimes: { backoffMs: [20, 40], tickMs: 50, probeMs: 100, redriveMs: 200 }\n`,
  });
}

describe("bridge sheets", () => {
  test("check finds no errors in valid sheets and exits 0", async () => {
    using folder = home({ "mappings/per_diem.yaml": perDiemSheet });

    const { code, out } = await bridge(folder.path, "sheets", "check");

    expect(out).toContain("1 sheet, no errors");
    expect(code).toBe(0);
  });

  test("check reports file, line, error and fix for a faulty sheet, and exits 1", async () => {
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

  test("check reports a failing example as an error", async () => {
    const example =
      "examples:\n  - name: halves\n    event: { type: policy.per_diem.updated, data: { new_rate: 68 } }\n    expect: { payroll: { dailyRate: 34 } }\n";
    using folder = home({ "mappings/per_diem.yaml": perDiemSheet + example });

    const { code, out } = await bridge(folder.path, "sheets", "check");

    expect(out).toContain(
      'mappings/per_diem.yaml:13: the example "halves" fails: payroll: dailyRate not as expected; "bridge sheets test" shows the values',
    );
    expect(code).toBe(1);
  });

  test("try shows the packets a sheet would create, and needs no store", async () => {
    using folder = home({ "mappings/per_diem.yaml": perDiemSheet });

    const { code, out } = await bridge(
      folder.path,
      "sheets",
      "try",
      "mappings/per_diem.yaml",
      "--event",
      event,
      "--json",
    );

    expect(JSON.parse(out)).toMatchObject([
      { target: "payroll", connector: "PayrollConnector", fields: { dailyRate: 68 } },
      { target: "gis", connector: "GISTableConnector", fields: { perDiemUSD: 68 } },
    ]);
    expect(code).toBe(0);
  });

  test("schema prints the JSON Schema of a sheet", async () => {
    using folder = home();

    const { out } = await bridge(folder.path, "sheets", "schema");

    expect(JSON.parse(out)).toMatchObject({
      type: "object",
      required: expect.arrayContaining(["source_event", "targets"]),
    });
  });

  test("schema --governance prints the JSON Schema of the policy", async () => {
    using folder = home();

    const { out } = await bridge(folder.path, "sheets", "schema", "--governance");

    expect(Object.keys(JSON.parse(out).properties)).toEqual(["otherwise", "classes", "rules"]);
  });
});

describe("bridge on a store", () => {
  test("asks the compliance engine and alerts the webhook configured in bridge.yaml", async () => {
    await using payroll = await targetServer();
    await using engine = await targetServer((_, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end('{"action":"block","rule":"esq-9"}');
    });
    await using webhook = await targetServer();
    using folder = bridgeFolder(payroll.url);
    const settings = readFileSync(join(folder.path, "bridge.yaml"), "utf8");
    folder.write(
      "bridge.yaml",
      `${settings}governance: { url: "${engine.url}/vet" }\nalerts: { webhook: "${webhook.url}/alerts" }\n`,
    );

    const { code, out } = await bridge(folder.path, "emit", event);

    expect(out).toContain("governance blocks the packet (esq-9)");
    expect(code).toBe(1);
    expect(engine.received).toHaveLength(2);
    expect(payroll.received).toEqual([]);
    expect(webhook.received[0]?.body).toMatchObject({ type: "sync.packet.held" });
  });

  test("the output of outbox, explain, replay and ledger verify matches the emitted event", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target.url);

    const emitted = JSON.parse((await bridge(folder.path, "emit", event, "--json")).out);
    const [first] = emitted.packets;
    const listed = await bridge(folder.path, "outbox");
    const explained = await bridge(folder.path, "explain", first.id);
    const replayed = await bridge(folder.path, "replay", "--from", "10m");
    const verified = await bridge(folder.path, "ledger", "verify");

    expect(emitted.settled).toBe(true);
    expect(emitted.packets.map(({ status }: { status: string }) => status)).toEqual(["SENT", "SENT"]);
    expect(listed.out).toMatch(/→ SENT payroll@\/v2\/rates {2}\(\d+ ms\)/);
    expect(explained.out).toMatch(
      /QUEUED {6}recorded with dailyRate; queued in its lane\n.*SENT {8}delivered on attempt 1 \(HTTP 204\).*now SENT payroll@\/v2\/rates/s,
    );
    expect(replayed.out.match(/→ UNCHANGED/g)).toHaveLength(2);
    expect(verified).toMatchObject({ code: 0, out: expect.stringContaining("all good: ") });
  });

  test("the serving process handles events emitted next to bridge serve", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target.url);
    const served = await serve(folder.path);

    const { out, code } = await bridge(folder.path, "emit", event);
    const second = await bridge(folder.path, "serve");
    await served.end("SIGTERM");

    expect(out.match(/→ SENT/g)).toHaveLength(2);
    expect(code).toBe(0);
    expect(served.lines.filter((line) => line.includes('"step":"delivered"'))).toHaveLength(2);
    expect(second).toMatchObject({ code: 3, err: expect.stringContaining("another process is already working on") });
    expect(served.process.exitCode).toBe(0);
  });

  test("a finished replay is listed as a job and cannot be canceled", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target.url);
    await bridge(folder.path, "emit", event);
    await bridge(folder.path, "replay", "--from", "10m");

    const listed = await bridge(folder.path, "jobs");
    const [job] = JSON.parse((await bridge(folder.path, "jobs", "--json")).out);
    const cancelled = await bridge(folder.path, "jobs", "--cancel", job.id);
    const missing = await bridge(folder.path, "jobs", "--cancel", "job-none");

    expect(listed.out).toMatch(/^job-\w+ +replay +DONE +2 +2 +\d{4}/m);
    expect(cancelled).toMatchObject({ code: 1, out: `${job.id} is DONE\n` });
    expect(missing).toMatchObject({ code: 1, out: expect.stringContaining("there is no job job-none") });
  });

  test("shadow forget makes the bridge send the same value again", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target.url);
    await bridge(folder.path, "emit", event);

    const forgotten = await bridge(folder.path, "shadow", "forget", "PayrollConnector");
    const unknown = await bridge(folder.path, "shadow", "forget", "GISTableConnector", "--entity", "nobody");
    const again = JSON.parse((await bridge(folder.path, "emit", event, "--json")).out);

    expect(forgotten).toMatchObject({
      code: 0,
      out: "forgot the values that PayrollConnector@v1 holds for all records\n",
    });
    expect(unknown.code).toBe(1);
    expect(again.packets.map(({ status }: { status: string }) => status)).toEqual(["SENT", "UNCHANGED"]);
  });

  test("replay --dry-run shows the result and sends nothing", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target.url);
    await bridge(folder.path, "emit", event);
    const before = target.received.length;

    const preview = await bridge(folder.path, "replay", "--from", "1h", "--dry-run");
    const forced = JSON.parse(
      (await bridge(folder.path, "replay", "--from", "1h", "--dry-run", "--force", "--json")).out,
    );
    const jobs = JSON.parse((await bridge(folder.path, "jobs", "--json")).out);

    expect(preview.code).toBe(0);
    expect(preview.out).toContain("2 packets in this time window; nothing was sent");
    expect(preview.out).toContain("2 would end UNCHANGED");
    expect(forced).toEqual({ looked: 2, sent: 2, unchanged: 0, superseded: 0, held: 0 });
    expect(target.received).toHaveLength(before);
    expect(jobs).toEqual([]);
  });

  test("replay --sheet current maps the events again with today's sheet", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target.url);
    await bridge(folder.path, "emit", event);
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

  test("a backfill sends old events to a new target exactly once, and its preview creates no packets", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target.url);
    const [before] = perDiemSheet.split("  gis:");
    folder.write("mappings/per_diem.yaml", before as string);
    await bridge(folder.path, "emit", event);
    folder.write("mappings/per_diem.yaml", perDiemSheet);

    const preview = await bridge(folder.path, "backfill", "--since", "1h", "--target", "per_diem.gis", "--dry-run");
    const first = await bridge(folder.path, "backfill", "--since", "1h", "--connector", "GISTableConnector");
    const second = JSON.parse(
      (await bridge(folder.path, "backfill", "--since", "1h", "--target", "per_diem.gis", "--json")).out,
    );

    expect(preview).toMatchObject({
      code: 0,
      out: expect.stringMatching(
        /1 event scanned; no packets were created\n.*\nper_diem\.gis +1 +0 +0\nper_diem\.gis {2}upsert .* \{"perDiemUSD":68\}/,
      ),
    });
    expect(first).toMatchObject({ code: 0, out: "1 event scanned, 1 packet created\n1 SENT\n" });
    expect(second).toMatchObject({ looked: 1, made: 0, malformed: { lines: 0 }, statuses: {}, settled: true });
    expect(target.received).toHaveLength(2);
  });

  test("a backfill from a file exits 1 if lines are invalid and 3 if the folder is not allowed", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target.url);
    const line = JSON.stringify({
      source: "hms.export",
      type: "policy.per_diem.updated",
      subject: "r",
      data: { new_rate: 70 },
    });
    folder.write("snapshots/rates.ndjson", `${line}\nnot json\n`);
    folder.write("elsewhere.ndjson", line);
    folder.write("bridge.yaml", `${readFileSync(join(folder.path, "bridge.yaml"), "utf8")}places: [snapshots]\n`);
    const backfill = (...args: string[]) => bridge(folder.path, "backfill", "--target", "per_diem.payroll", ...args);

    const { code, out } = await backfill("--file", "snapshots/rates.ndjson", "--as-of", "2026-01-01T00:00:00Z");
    const again = await backfill("--file", "snapshots/rates.ndjson", "--as-of", "2026-01-01T00:00:00Z", "--json");
    const withoutTime = await backfill("--file", "snapshots/rates.ndjson", "--dry-run");
    const forbidden = await backfill("--file", "elsewhere.ndjson");

    expect(withoutTime).toMatchObject({ code: 1, out: expect.stringContaining("line 1: time: is missing") });
    expect(out).toBe("2 lines scanned, 1 packet created\n1 SENT\n1 line is not an event:\n  line 2: is not JSON\n");
    expect(code).toBe(1);
    expect(JSON.parse(again.out)).toMatchObject({ looked: 2, made: 0 });
    expect(target.received.map(({ body }) => body)).toEqual([{ dailyRate: 70 }]);
    expect(forbidden).toMatchObject({ code: 3, err: expect.stringContaining('to "places:" in bridge.yaml') });
  });

  test("serve stops with a clear message when its store is deleted", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target.url);
    const served = await serve(folder.path);

    rmSync(join(folder.path, ".bridge"), { recursive: true });
    await once(served.process, "exit");

    expect(served.process.exitCode).toBe(3);
    expect(served.lines.join("\n")).toContain("the store .bridge was deleted or replaced");
  });

  test("probe reports whether a target is up or down", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target.url);

    const up = await bridge(folder.path, "probe", "PayrollConnector");
    await target.stop();
    const down = await bridge(folder.path, "probe", "PayrollConnector", "--json");
    const connectors = JSON.parse((await bridge(folder.path, "connectors", "--json")).out);

    expect(up).toMatchObject({ code: 0, out: "PayrollConnector@v1 is up\n" });
    expect(down.code).toBe(1);
    expect(JSON.parse(down.out)).toEqual({ connector: "PayrollConnector@v1", awake: false });
    expect(connectors).toContainEqual(expect.objectContaining({ connector: "PayrollConnector@v1", health: "DOWN" }));
  });

  test("ledger verify reports the position of a changed entry and exits 1", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target.url);
    const { packets } = JSON.parse((await bridge(folder.path, "emit", event, "--json")).out);
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

  test("listing and pausing work with a faulty sheet or without sheets", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target.url);
    await bridge(folder.path, "emit", event);
    writeFileSync(join(folder.path, "mappings", "worse.yaml"), "targets: {}\n");

    const runs = [
      await bridge(folder.path, "outbox"),
      await bridge(folder.path, "outbox", "--json"),
      await bridge(folder.path, "connectors", "pause", "PayrollConnector", "--reason", "to be sure"),
      await bridge(folder.path, "outbox", "--mappings", "nowhere"),
    ];

    for (const { code, out } of runs) expect({ code, out }).toMatchObject({ code: 0, out: expect.stringMatching(/./) });
    expect(runs[0]?.out).toMatch(/→ SENT payroll@\/v2\/rates {2}\(\d+ ms\)\n.* → SENT gis@.*\n\ntotal: 2 SENT/);
    expect(runs[0]?.err).toMatch(/mappings\/worse\.yaml:1: source_event is missing/);
    expect(JSON.parse(runs[1]?.out ?? "")).toMatchObject([{ status: "SENT", at: "/v2/rates" }, { target: "gis" }]);
    expect(runs[3]?.err).toBe("");
  });

  test("emit exits 1 and shows the reason if a packet is held", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target.url);
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
      "a file that is not a store",
      { "mappings/a.yaml": perDiemSheet, ".bridge/bridge.db": "this is no database, and long enough" },
      /not a database/,
    ],
  ])("the verbs serve and emit stop with a one-line message on %s", async (_, files, expected) => {
    using folder = home(files);

    const runs = [await bridge(folder.path, "serve"), await bridge(folder.path, "emit", event)];

    for (const { code, err } of runs) {
      expect(err).toMatch(expected);
      expect(err).not.toMatch(/suppressed|^\s+at /m);
      expect(code).toBeGreaterThan(0);
    }
  });

  test("an invalid line stops emit --file with its number and the number of accepted events", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target.url);
    folder.write("events.ndjson", `${event}\n\n${event}\nnot json\n`);

    const { code, err } = await bridge(folder.path, "emit", "--file", "events.ndjson");

    expect(err).toContain("events.ndjson:4: the event is not valid JSON; 2 events were accepted before it");
    expect(code).toBe(2);
  });

  test.each([
    ["an unknown verb", ["frobnicate"], 2],
    ["no event", ["emit"], 2],
    ["an event that is not JSON", ["emit", "{"], 2],
    ["an invalid time", ["replay", "--from", "yesterday"], 2],
    ["an unknown connector", ["probe", "Nobody"], 2],
    ["a backfill without a source", ["backfill", "--target", "per_diem.gis"], 2],
    ["a backfill without a target", ["backfill", "--since", "1h"], 2],
    ["a backfill to an unknown target", ["backfill", "--since", "1h", "--target", "per_diem.nobody"], 2],
    ["an unknown choice of sheets", ["replay", "--from", "1h", "--sheet", "old"], 2],
    ["an unknown connector to replay", ["replay", "--from", "1h", "--connector", "Nobody"], 2],
    ["an invalid count", ["outbox", "--limit", "abc"], 2],
    ["an invalid wait", ["emit", event, "--wait", "soon"], 2],
    ["a missing store", ["outbox", "--dir", "nowhere"], 3],
    ["a missing packet", ["explain", "pkt-aaaaaaaaaaaaaaaa"], 1],
  ])("%s produces its exit code and one clear line", async (_, args, expected) => {
    using folder = bridgeFolder("http://127.0.0.1:9");
    writeFileSync(join(folder.path, "marker"), "");
    if (args[0] === "explain") await bridge(folder.path, "probe", "PayrollConnector");

    const { code, err } = await bridge(folder.path, ...args);

    expect(code).toBe(expected);
    expect(err.trim().split("\n").length).toBeLessThanOrEqual(2);
    expect(err).not.toMatch(/^\s+at /m);
  });
});
