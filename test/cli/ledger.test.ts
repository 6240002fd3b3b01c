import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { type Home, home, perDiemSheet } from "../support/home.ts";
import { bridge, serve } from "../support/serve.ts";
import { type TargetServer, targetServer } from "../support/target-server.ts";

const docs = readFileSync(join(import.meta.dirname, "..", "..", "docs", "ledger.md"), "utf8");

/** Returns the code block of docs/ledger.md that contains a text. */
function codeBlock(language: string, content: string): string {
  const blocks = docs.split("```").filter((_, i) => i % 2 === 1);
  const found = blocks.find((block) => block.startsWith(`${language}\n`) && block.includes(content));
  if (!found) throw new Error(`docs/ledger.md has no ${language} block with ${content}`);
  return found.slice(language.length + 1);
}

function bridgeFolder({ url }: TargetServer, settings = ""): Home {
  const baseUrl = `{ baseUrl: "${url}" }`;
  return home({
    "mappings/per_diem.yaml": perDiemSheet,
    "bridge.yaml": `connectors:\n  PayrollConnector: ${baseUrl}\n  GISTableConnector: ${baseUrl}\n${settings}`,
    "audit.mjs": codeBlock("js", "createInterface"),
  });
}

async function emit(folder: Home, rate: number): Promise<string[]> {
  const event = JSON.stringify({ type: "policy.per_diem.updated", data: { new_rate: rate } });
  const { out } = await bridge(folder.path, "emit", event, "--json");
  return (JSON.parse(out) as { packets: { id: string }[] }).packets.map(({ id }) => id);
}

/**
 * Emits several rates, each followed by one seal. `bridge serve` runs meanwhile, because an emit without it seals at its
 * start too, possibly between its packets.
 */
async function emitSealed(folder: Home, ...rates: readonly number[]): Promise<string[]> {
  const served = await serve(folder.path);
  const packets: string[] = [];
  for (const rate of rates) {
    packets.push(...(await emit(folder, rate)));
    await bridge(folder.path, "ledger", "seal");
  }
  await served.end("SIGTERM");
  return packets;
}

function tamper(folder: Home, sql: string, ...values: string[]): void {
  const db = new DatabaseSync(join(folder.path, ".bridge", "bridge.db"));
  db.exec("DROP TRIGGER IF EXISTS ledger_keeps_entries; DROP TRIGGER IF EXISTS ledger_keeps_all");
  db.prepare(sql).run(...values);
  db.close();
}

/** Deletes a packet with all its ledger entries. */
function deletePacket(folder: Home, packet: string): void {
  tamper(folder, "DELETE FROM ledger WHERE owner = (SELECT seq * 2 FROM packets WHERE id = ?)", packet);
  tamper(folder, "DELETE FROM packets WHERE id = ?", packet);
}

function audit(folder: Home, file = "ledger.ndjson") {
  const { status, stdout } = spawnSync(process.execPath, ["audit.mjs", file, ".bridge-seals/seal-key.pem"], {
    cwd: folder.path,
    encoding: "utf8",
  });
  return { status, out: stdout.trim() };
}

describe("bridge ledger", () => {
  test("verify reports a packet deleted with its chain and the seal that lists it, and exits 1", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target);
    const [packet] = (await emitSealed(folder, 68)) as [string];
    const before = await bridge(folder.path, "ledger", "verify");
    deletePacket(folder, packet);

    const whole = await bridge(folder.path, "ledger", "verify");
    const since = await bridge(folder.path, "ledger", "verify", "--since", "1h", "--json");

    expect(before).toMatchObject({ code: 0, out: expect.stringMatching(/^all good: .*\n1 seal, the newest from 20/) });
    expect(whole.out).toMatch(
      new RegExp(`^the ledger is BROKEN: ${packet}, entry 1: is gone: seal 1 of 20.* lists it$`, "m"),
    );
    expect([whole.code, since.code]).toEqual([1, 1]);
    expect(JSON.parse(since.out).fault).toMatchObject({ chain: packet, seq: 1 });
  });

  test("verify finds a completely forged store with a kept key or a kept seal", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target);
    await emit(folder, 68);
    for (const name of readdirSync(join(folder.path, ".bridge-seals"))) {
      folder.write(`kept/${name}`, readFileSync(join(folder.path, ".bridge-seals", name), "utf8"));
    }
    execFileSync("rm", ["-rf", ".bridge", ".bridge-seals"], { cwd: folder.path });
    await emit(folder, 70);

    const here = await bridge(folder.path, "ledger", "verify");
    const byKey = await bridge(folder.path, "ledger", "verify", "--key", "kept/seal-key.pem");
    const bySeal = await bridge(folder.path, "ledger", "verify", "--kept", "kept/000000001.seal");

    expect(here.code).toBe(0);
    expect(byKey).toMatchObject({ code: 1, out: expect.stringContaining("seal 1: is signed with another key") });
    expect(bySeal).toMatchObject({ code: 1, out: expect.stringContaining("seal 1: is not the seal that was created") });
  });

  test("seal works next to bridge serve and uses the folder set in bridge.yaml", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target, "seals: worm/seals\n");
    const served = await serve(folder.path);
    await emit(folder, 68);

    const first = await bridge(folder.path, "ledger", "seal");
    const second = await bridge(folder.path, "ledger", "seal", "--json");
    await served.end("SIGTERM");
    const verified = await bridge(folder.path, "ledger", "verify");

    expect(first).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+ entries sealed\n$/) });
    expect(JSON.parse(second.out)).toEqual({ seals: 0, entries: 0 });
    expect(existsSync(join(folder.path, "worm", "seals", "000000001.seal"))).toBe(true);
    expect(existsSync(join(folder.path, ".bridge-seals"))).toBe(false);
    expect(verified.code).toBe(0);
  });

  test("an export passes the audit script in docs/ledger.md", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target);
    await emitSealed(folder, 68, 70, 72);

    const { code } = await bridge(folder.path, "ledger", "export", "--out", "ledger.ndjson");

    expect(code).toBe(0);
    expect(audit(folder)).toEqual({
      status: 0,
      out: expect.stringMatching(/^OK: seals 3 \(newest: 20.*\), entries not sealed yet 0$/),
    });
    const again = await bridge(folder.path, "ledger", "export", "--out", "ledger.ndjson");
    expect(again).toMatchObject({ code: 3, err: expect.stringContaining("already exists") });
  });

  test("an export since a time begins with a whole seal and passes the audit", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target);
    await emitSealed(folder, 68, 70);
    const second = readFileSync(join(folder.path, ".bridge-seals", "000000002.seal"), "utf8");
    const { at } = JSON.parse(second.split("\n")[0] as string) as { at: string };

    const { out } = await bridge(folder.path, "ledger", "export", "--since", at);
    folder.write("since.ndjson", out);

    expect(audit(folder, "since.ndjson")).toEqual({ status: 0, out: expect.stringMatching(/^OK: seals 1 /) });
    expect(out.split("\n").filter((line) => line.includes('"seal":"'))).toHaveLength(1);
  });

  test("the audit script in docs/ledger.md finds changed, forged and missing lines", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target);
    await emitSealed(folder, 68, 70, 72);
    await bridge(folder.path, "ledger", "export", "--out", "ledger.ndjson");
    const lines = readFileSync(join(folder.path, "ledger.ndjson"), "utf8").trim().split("\n");
    const seals = lines.flatMap((line, i) => (line.startsWith('{"seal"') ? [i] : []));
    const auditOf = (changed: readonly string[]) => {
      writeFileSync(join(folder.path, "changed.ndjson"), `${changed.join("\n")}\n`);
      return audit(folder, "changed.ndjson");
    };
    const without = (i: number) => auditOf(lines.filter((_, at) => at !== i));
    const [first = 0, second = 0] = seals;

    expect(auditOf(lines.with(1, (lines[1] as string).replace('"step":"', '"step":"X'))).out).toMatch(/was changed$/);
    expect(without(1).out).toBe("BROKEN: the entries before seal 1 do not match its list");
    expect(without(second).out).toBe("BROKEN: seal 3 does not follow seal 1");
    expect(auditOf(lines.with(first, (lines[first] as string).replace('\\"entries\\":', '\\"entries\\":1'))).out).toBe(
      "BROKEN: the signature of seal 1 is invalid",
    );
    expect(auditOf([lines[1] as string, lines[0] as string, ...lines.slice(2)]).status).toBe(1);
  });

  test("the shell commands in docs/ledger.md verify one seal", async () => {
    await using target = await targetServer();
    using folder = bridgeFolder(target);
    await emit(folder, 68);
    await emit(folder, 70);

    const out = execFileSync("sh", ["-euc", codeBlock("sh", "openssl dgst")], {
      cwd: join(folder.path, ".bridge-seals"),
      encoding: "utf8",
    });

    const statementOf = (name: string) =>
      JSON.parse(readFileSync(join(folder.path, ".bridge-seals", name), "utf8").split("\n")[0] as string);
    expect(out).toContain("Verified OK");
    expect(out).toContain(statementOf("000000001.seal").list);
    expect(out).toContain(statementOf("000000002.seal").prev);
  });

  test.each([
    ["an invalid time", ["verify", "--since", "yesterday"], 2],
    ["a kept file that is not a seal", ["verify", "--kept", "bridge.yaml"], 2],
    ["a missing key file", ["verify", "--key", "nowhere.pem"], 3],
    ["a folder inside the store", ["verify", "--seals", ".bridge/seals"], 2],
    ["a folder it cannot write to", ["export", "--out", "no/such/folder/x"], 3],
  ])("%s produces its exit code and one clear line", async (_, args, expected) => {
    await using target = await targetServer();
    using folder = bridgeFolder(target);
    await emit(folder, 68);

    const { code, err } = await bridge(folder.path, "ledger", ...args);

    expect(code).toBe(expected);
    expect(err.trim().split("\n")).toHaveLength(1);
  });
});
