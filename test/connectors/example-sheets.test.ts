import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { Bridge, Event } from "../../index.ts";
import { home } from "../support/home.ts";
import { sftpServer, username } from "../support/sftp-server.ts";

const rates = [
  { city: "Denver", new_rate: 68, effective: "2026-12-01" },
  { city: "Boston", new_rate: -7.5, effective: "2026-12-01" },
  { city: "Reno, NV", new_rate: 71, effective: "2027-01-01" },
];

/** Returns the connector configuration in the comment at the top of an example sheet. */
function shownIn(sheet: string): Record<string, Record<string, unknown>> {
  const lines = readFileSync(`examples/sheets/${sheet}`, "utf8").split("\n");
  const comment = lines.slice(1).filter((line) => line.startsWith("#   "));
  return parse(comment.map((line) => line.slice(4)).join("\n")).connectors;
}

/** Sends the rates through an example sheet and its configuration over SFTP. Returns the text of each uploaded file. */
async function sentBy(sheet: string, connector: string, times: number): Promise<Record<string, string>> {
  using root = home();
  await using server = await sftpServer(root.path);
  process.env[`BRIDGE_SECRET_${connector.toUpperCase()}`] = JSON.stringify({ username, password: server.password });
  const place = { to: `sftp://127.0.0.1:${server.port}/`, hostKeys: [server.hostKey] };
  await using bridge = new Bridge({
    dir: ":memory:",
    mappings: [{ file: sheet, text: readFileSync(`examples/sheets/${sheet}`, "utf8") }],
    connectors: { [connector]: { ...shownIn(sheet)[connector], ...place } },
  });
  for (let i = 0; i < times; i++) {
    for (const data of rates)
      await bridge.emit(Event({ type: "policy.per_diem.updated", data: { ...data, new_rate: data.new_rate + i } }));
  }
  await bridge.settled();
  const packets = await bridge.outbox();
  expect(packets.map(({ status }) => status)).toEqual(packets.map(() => "SENT"));
  return Object.fromEntries(
    readdirSync(root.path)
      .sort()
      .map((name) => [name, readFileSync(join(root.path, name), "utf8")]),
  );
}

describe("example sheets", () => {
  afterEach(() => {
    for (const name of Object.keys(process.env)) if (name.startsWith("BRIDGE_SECRET_")) delete process.env[name];
  });

  it.each(["csv_drop.yaml", "ftp_flat.yaml"])("%s passes the check with its examples", (sheet) => {
    using folder = home();
    mkdirSync(join(folder.path, "mappings"));
    copyFileSync(`examples/sheets/${sheet}`, join(folder.path, "mappings", sheet));
    writeFileSync(join(folder.path, "governance.yaml"), readFileSync("governance.yaml"));

    const said = execFileSync(
      process.execPath,
      [join(process.cwd(), "cli/main.js"), "sheets", "check", "--mappings", join(folder.path, "mappings")],
      { encoding: "utf8" },
    );

    expect(said).toMatch(/1 sheet/);
  });

  it("csv_drop.yaml writes every change into a CSV file through the whole bridge", async () => {
    const files = await sentBy("csv_drop.yaml", "CsvDropConnector", 1);

    const rows = Object.values(files).flatMap((text) =>
      text
        .split("\r\n")
        .slice(1, -1)
        .map((row) => row.split(",").slice(2).join(",")),
    );
    expect(rows.sort()).toEqual(
      [
        "upsert,Boston,city|Daily Rate|since,Boston,-7.5,2026-12-01",
        "upsert,Denver,city|Daily Rate|since,Denver,68,2026-12-01",
        'upsert,"Reno, NV",city|Daily Rate|since,"Reno, NV",71,2027-01-01',
      ].sort(),
    );
  });

  it("ftp_flat.yaml writes each change into its own file, numbered in event order", async () => {
    const files = await sentBy("ftp_flat.yaml", "FtpFlatConnector", 4);

    expect(Object.keys(files)).toEqual(
      Array.from({ length: 12 }, (_, i) => `HMSRATE.D${String(i + 1).padStart(6, "0")}`),
    );
    const cities = Object.values(files).map((text) => text.split("\r\n")[1]?.slice(2, 22).trim());
    expect(cities).toEqual(Array.from({ length: 12 }, (_, i) => rates[i % 3]?.city));
    const [, boston] = Object.values(files);
    expect(boston?.split("\r\n")).toEqual([
      expect.stringMatching(/^H000002\d{8} {65}$/),
      `DU${"Boston".padEnd(20)}00000075}20261201`.padEnd(80),
      "T000001".padEnd(80),
      "",
    ]);
  });
});
