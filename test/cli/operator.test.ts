import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { until } from "../support/clock.ts";
import { type Home, home, perDiemSheet } from "../support/home.ts";
import { bridge, type Served, serve } from "../support/serve.ts";
import { type TargetServer, taken, targetServer } from "../support/target-server.ts";

const because = ["--reason", "payroll asked for it"];

describe("an operator on the command line", { timeout: 120_000 }, () => {
  test("edits and sends a held packet, and the ledger records who and why", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target);
    const id = await emitHeld(folder, target);

    const preview = await bridge(folder.path, "edit", id, "--set", "dailyRate=70", "--dry-run");
    const edited = await bridge(folder.path, "edit", id, "--set", "dailyRate=70", "--yes", "--json", ...because);
    const again = await bridge(folder.path, "edit", id, "--set", "dailyRate=71", "--yes", ...because);
    const child = JSON.parse(edited.out).id;
    const explained = await bridge(folder.path, "explain", child);

    expect(preview).toMatchObject({ code: 0, out: expect.stringMatching(/- dailyRate: 68\n.*\+ dailyRate: 70/) });
    expect(edited.code).toBe(0);
    expect(again).toMatchObject({
      code: 1,
      err: expect.stringMatching(/is SUPERSEDED; this action requires a packet that is HELD/),
    });
    expect(explained.out).toMatch(/replacing pkt-\w+ with a changed dailyRate, by \w+: payroll asked for it/);
    expect(explained.out).toContain(`replaces ${id}`);
  });

  test("edits in an editor, and changes nothing if the file is unchanged or not YAML", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target);
    const id = await emitHeld(folder, target);
    const editWith = (script: string) => {
      const editor = join(folder.path, "editor.sh");
      writeFileSync(editor, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      vi.stubEnv("VISUAL", editor);
      return bridge(folder.path, "edit", id, "--yes", ...because);
    };

    const unchanged = await editWith("exit 0");
    const invalid = await editWith('echo "{ no" > "$1"');
    const failed = await editWith("exit 1");
    const changed = await editWith(`ls -l "$1" > mode; sed -i 's/: 68/: 70/' "$1"`);
    vi.unstubAllEnvs();

    expect(unchanged).toMatchObject({ code: 1, err: expect.stringMatching(/no field was changed/) });
    expect(invalid).toMatchObject({ code: 2, err: expect.stringMatching(/not valid YAML/) });
    expect(failed).toMatchObject({ code: 3, err: expect.stringMatching(/editor exited with code 1/) });
    expect(changed).toMatchObject({ code: 0, out: expect.stringContaining("+ dailyRate: 70") });
    expect(readFileSync(join(folder.path, "mode"), "utf8")).toMatch(/^-rw------- .*bridge-edit-/);
  });

  test("discards and releases one or many packets only with a reason and a confirmation", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target);
    const [one, two, three] = [
      await emitHeld(folder, target),
      await emitHeld(folder, target, 69),
      await emitHeld(folder, target, 70),
    ];

    const noReason = await bridge(folder.path, "discard", one);
    const discarded = await bridge(folder.path, "discard", one, ...because);
    const missing = await bridge(folder.path, "discard", "pkt-aaaaaaaaaaaaaaaa", ...because);
    const preview = await bridge(folder.path, "release", "--all", "--dry-run", "--json");
    const unconfirmed = await bridge(folder.path, "release", "--all", ...because);
    target.answer = taken;
    const released = await bridge(
      folder.path,
      "release",
      "--all",
      "--connector",
      "PayrollConnector",
      "--yes",
      ...because,
    );
    const none = await bridge(folder.path, "discard", "--all", "--text", "nowhere", "--yes", ...because);
    const bad = await bridge(folder.path, "discard", ...because);

    expect(noReason).toMatchObject({ code: 2, err: expect.stringMatching(/--reason/) });
    expect(discarded).toMatchObject({ code: 0, out: expect.stringContaining("DISCARDED payroll") });
    expect(missing.code).toBe(1);
    expect(JSON.parse(preview.out)).toMatchObject({ looked: 2, made: 2 });
    expect(unconfirmed).toMatchObject({ code: 2, err: expect.stringMatching(/give --yes/) });
    expect(released).toMatchObject({ code: 0, out: expect.stringMatching(/2 packets released \(job-\w+ is DONE\)/) });
    expect(none.code).toBe(1);
    expect(bad.code).toBe(2);
    const stillHeld = JSON.parse((await bridge(folder.path, "outbox", "--status", "HELD", "--json")).out);
    expect(stillHeld).toEqual([]);
    for (const id of [two, three]) expect(await explain(folder, id)).toMatch(/released, by \w+: payroll asked for it/);
  });

  test("pauses, resumes and redrives through the API of a running bridge", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target);
    await using served = await startServer(folder);
    const apiFile = join(folder.path, ".bridge", "api.json");

    const paused = await bridge(folder.path, "connectors", "pause", "PayrollConnector", ...because);
    const again = await bridge(folder.path, "connectors", "pause", "PayrollConnector", "--json", ...because);
    await bridge(folder.path, "emit", eventWithRate(68), "--wait", "1");
    const listed = await bridge(folder.path, "connectors");
    const redriven = await bridge(folder.path, "redrive", "PayrollConnector", ...because);
    const resumed = await bridge(folder.path, "connectors", "resume", "PayrollConnector", ...because);
    await until(() => target.received.length > 0);

    expect(statSync(apiFile).mode & 0o777).toBe(0o600);
    expect(served.lines.join("\n")).not.toContain("token");
    expect(paused.out).toContain("PayrollConnector@v1 is now paused");
    expect(JSON.parse(again.out)).toEqual({ connector: "PayrollConnector@v1", changed: false, paused: true });
    expect(listed.out).toMatch(/PayrollConnector@v1\s+PAUSED\s+0\s+1/);
    expect(listed.out).toMatch(/was paused by \w+: payroll asked for it/);
    expect(redriven).toMatchObject({ code: 1, err: expect.stringMatching(/resume it/) });
    expect(resumed.out).toContain("is now active");
    await served.end("SIGTERM");
    expect(() => statSync(apiFile)).toThrow();
  });

  test("shows a connector whose address changed, and confirms the address", async () => {
    await using before = await targetServer();
    await using after = await targetServer();
    using folder = bridgeFolder(before);
    const settings = join(folder.path, "bridge.yaml");
    const confirm = (...args: string[]) =>
      bridge(folder.path, "connectors", "confirm", "PayrollConnector", ...args, ...because);

    await bridge(folder.path, "emit", eventWithRate(68));
    const early = await confirm();
    writeFileSync(settings, readFileSync(settings, "utf8").replaceAll(before.url, after.url));
    await bridge(folder.path, "emit", eventWithRate(69), "--wait", "1");
    const listed = await bridge(folder.path, "connectors");
    const received = after.received.length;
    const confirmed = await confirm("--json");

    expect(early).toMatchObject({ code: 1, err: expect.stringContaining("waits for a decision") });
    expect(listed.out).toMatch(/PayrollConnector@v1\s+PAUSED\s+0\s+1/);
    expect(listed.out).toContain("PayrollConnector@v1 sends nothing: its address has changed");
    expect(listed.out).toContain("bridge shadow forget PayrollConnector@v1");
    expect(received).toBe(0);
    expect(JSON.parse(confirmed.out)).toEqual({ connector: "PayrollConnector@v1", confirmed: true });
  });

  test("confirms that a source's sequence started again", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target);
    const restart = (...args: string[]) => bridge(folder.path, "sequence", "restart", "hms.policy", ...args);

    await bridge(folder.path, "emit", eventWithRate(68));
    const done = await restart("--since", "2026-01-01T00:00:00Z", ...because);
    const again = await restart("--since", "2026-01-01T00:00:00Z", ...because);
    const noTime = await restart(...because);
    const json = await restart("--since", "2026-01-02T00:00:00Z", "--json", ...because);

    expect(done).toMatchObject({ code: 0, out: expect.stringContaining("since 2026-01-01T00:00:00.000Z are newer") });
    expect(again).toMatchObject({ code: 2, err: expect.stringContaining("is confirmed already") });
    expect(noTime).toMatchObject({ code: 2, err: expect.stringContaining("--since") });
    expect(JSON.parse(json.out)).toEqual({ source: "hms.policy", since: "2026-01-02T00:00:00.000Z", restarts: 2 });
  });

  test("reaches a remote bridge with --url and a token, and is refused without", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target);
    const id = await emitHeld(folder, target);
    await using served = await startServer(folder);
    using otherFolder = home();
    const { url, token } = served.api;
    const remote = (...args: string[]) => bridge(otherFolder.path, ...args, "--url", url, "--token", token);

    expect(await remote("outbox", "--status", "HELD")).toMatchObject({
      code: 0,
      out: expect.stringContaining(`${id} → HELD`),
    });
    expect(await remote("explain", id)).toMatchObject({
      code: 0,
      out: expect.stringContaining("held for an operator: refused"),
    });
    expect(await remote("jobs")).toMatchObject({ code: 0 });
    expect(await remote("replay", "--from", "1h", "--dry-run")).toMatchObject({
      code: 0,
      out: expect.stringContaining("1 packet in this time window"),
    });
    expect(await remote("backfill", "--since", "1h", "--connector", "PayrollConnector", "--dry-run")).toMatchObject({
      code: 0,
    });
    expect(await remote("explain", "pkt-aaaaaaaaaaaaaaaa")).toMatchObject({
      code: 1,
      err: expect.stringMatching(/no packet with this id/),
    });
    expect(await bridge(otherFolder.path, "outbox", "--url", url, "--token", "wrong")).toMatchObject({ code: 3 });
    expect(await bridge(otherFolder.path, "outbox", "--url", url)).toMatchObject({
      code: 2,
      err: expect.stringMatching(/BRIDGE_TOKEN/),
    });
    expect(await bridge(otherFolder.path, "outbox", "--url", "http://127.0.0.1:9", "--token", "x")).toMatchObject({
      code: 3,
      err: expect.stringMatching(/no bridge responds at http:\/\/127\.0\.0\.1:9/),
    });
    expect(await bridge(otherFolder.path, "outbox", "--url", url, "--stack", "b")).toMatchObject({ code: 2 });
  });

  test("ignores the recorded API address of a killed bridge", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target);
    {
      await using served = await startServer(folder);
      await served.end("SIGKILL");
    }

    expect(await bridge(folder.path, "jobs")).toMatchObject({ code: 0 });
  });
});

function bridgeFolder({ url }: TargetServer): Home {
  const baseUrl = `{ baseUrl: "${url}" }`;
  return home({
    "mappings/per_diem.yaml": perDiemSheet.replace(/ {2}gis:[\s\S]*/, ""),
    "bridge.yaml": `connectors:\n  PayrollConnector: ${baseUrl}\n  GISTableConnector: ${baseUrl}\ntimes: { backoffMs: [20], tickMs: 50, probeMs: 100, redriveMs: 200 }\n`,
  });
}

function eventWithRate(rate: number): string {
  return JSON.stringify({ type: "policy.per_diem.updated", data: { new_rate: rate } });
}

async function emitHeld(folder: Home, target: TargetServer, rate = 68): Promise<string> {
  target.answer = (_, response) => response.writeHead(422).end();
  const { out } = await bridge(folder.path, "emit", eventWithRate(rate), "--json");
  return JSON.parse(out).packets[0].id;
}

/** Starts `bridge serve` and reads its API's address and token from the store. */
async function startServer(folder: Home): Promise<Served & AsyncDisposable & { api: { url: string; token: string } }> {
  const served = await serve(folder.path);
  const api = JSON.parse(readFileSync(join(folder.path, ".bridge", "api.json"), "utf8"));
  return { ...served, api, [Symbol.asyncDispose]: () => served.end("SIGTERM") };
}

async function explain(folder: Home, id: string): Promise<string> {
  return (await bridge(folder.path, "explain", id)).out;
}
