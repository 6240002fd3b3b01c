import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { type Bundle, type BundleOptions, bundle, projectRoot } from "../../infra/bundle.ts";
import { aPacket } from "../support/builders.ts";
import { home } from "../support/home.ts";

const kib = 1_024;
const connectorFiles = readdirSync("connectors").filter((name) => name.endsWith(".ts"));

/** Returns the time that a fresh process needs to import a bundle, in ms: the best of three. */
function importMs({ dir }: Bundle): number {
  const file = JSON.stringify(pathToFileURL(join(dir, "index.mjs")).href);
  const script = `const begun = performance.now(); await import(${file}); console.log(performance.now() - begun);`;
  const times = Array.from({ length: 3 }, () =>
    Number(execFileSync(process.execPath, ["--input-type=module", "--eval", script], { encoding: "utf8" })),
  );
  return Math.min(...times);
}

/** Prints a bundle's size, largest parts and import time. Only the size has a limit, because the time depends on load. */
function report(name: string, built: Bundle): void {
  const inKib = (bytes: number) => (bytes / kib).toFixed(0);
  const largest = [...built.parts].sort(([, a], [, b]) => b - a).slice(0, 8);
  const parts = largest.map(([part, bytes]) => `${part === "." ? "our own" : part} ${inKib(bytes)}`);
  console.log(`${name}: ${inKib(built.bytes)} KiB, imported in ${importMs(built).toFixed(0)} ms (${parts.join(", ")})`);
}

/** Bundles a function as a deployment does, prints a report, and deletes the output. */
async function bundleAndReport(name: string, options: Omit<BundleOptions, "outDir">): Promise<Bundle> {
  using folder = home();
  const built = await bundle({ ...options, outDir: folder.path });
  report(name, built);
  return built;
}

const here = { host: "127.0.0.1", port: 1, tls: false, database: "x" };
const aTable = { ...here, table: "rates", key: "id", columns: { dailyRate: { column: "rate", type: "number" } } };
const aService = {
  endpoint: "http://127.0.0.1:1/soap",
  wsdl: join(projectRoot, "examples/soap/legacy-hr.wsdl"),
  operation: "UpdateEmployee",
  parts: { employeeId: "$entity", note: "dailyRate" },
};
const anInbox = { to: "sftp://127.0.0.1:1/in", hostKeys: [`SHA256:${"a".repeat(43)}`] };
const layout = { lines: { form: "fixed", detail: [{ field: "dailyRate", width: 9, number: {} }] } };

/** Connectors that include a protocol library, which have a limit of 1 MiB. */
const withLibrary = /^(csv|ftp|oracle|postgresql|soap)/;
const limits = connectorFiles.map((file) => [file, withLibrary.test(file) ? 1_024 : 500] as const);

describe("function bundle", () => {
  it.each(limits)("contains only connectors/%s and is at most %i KiB", async (file, most) => {
    const { sources, bytes } = await bundleAndReport(`connectors/${file}`, {
      entry: "functions/connector.ts",
      connectorFile: join(projectRoot, "connectors", file),
    });

    const included = sources.filter((source) => /^connectors\/[^/]+$/.test(source));
    expect(included).toEqual([`connectors/${file}`]);
    expect(sources.filter((source) => /^bridge\/mapping\/(?!roster-file\.ts$)/.test(source))).toEqual([]);
    expect(sources.filter((source) => /sqlite|platform\/local\/(store|queue|database)/.test(source))).toEqual([]);
    expect(bytes).toBeLessThanOrEqual(most * kib);
  });

  // Libraries are loaded with the first packet, so an incomplete bundle would fail only then.
  it.each<[string, object, string]>([
    ["postgresql-table.ts", aTable, "(ECONNREFUSED)"],
    ["oracle-table.ts", aTable, "(NJS-503)"],
    ["soap.ts", aService, "the connection was refused"],
    ["csv-drop.ts", { ...anInbox, columns: ["dailyRate"] }, "the connection was refused"],
    ["ftp-flat.ts", { ...anInbox, layout }, "the connection was refused"],
    ["ftp-flat.ts", { to: "ftps://127.0.0.1:1/in", layout }, "the connection was refused"],
  ])("loads the library of connectors/%s without other files", async (file, config, reason) => {
    using folder = home();
    const from = (path: string) => JSON.stringify(join(projectRoot, "connectors", path));
    folder.write(
      "entry.ts",
      `export { connector } from ${from(file)}; export { createHttp } from ${from("protocols/http/client.ts")};`,
    );
    await bundle({ entry: join(folder.path, "entry.ts"), outDir: folder.path });
    const script = `
      const { connector, createHttp } = await import("./index.mjs");
      const [given, secret, packet] = ${JSON.stringify([config, { user: "u", password: "p", username: "u" }, aPacket()])};
      const config = connector.config.parse(given);
      const http = createHttp({ allowedHosts: ["127.0.0.1:1"] });
      const { signal } = new AbortController();
      const memory = { get: async () => undefined };
      console.log((await connector.send(packet, { config, secret, http, memory, signal })).reason);`;
    const args = ["--input-type=module", "--eval", script];

    const output = execFileSync(process.execPath, args, { cwd: folder.path, encoding: "utf8" });

    expect(output).toContain(reason);
  });

  it("contains a declared connector without a YAML parser and is at most 500 KiB", async () => {
    using folder = home();
    const file = "examples/connectors/badge-office.yaml";
    const options = { entry: "functions/connector.ts", connectorFile: join(projectRoot, file) };

    const { sources, bytes, parts } = await bundle({ ...options, outDir: folder.path });

    expect(sources).toContain(file);
    expect(
      sources.filter((source) => /\/(declaration|policy|sheet|yaml)-file\.ts$|^connectors\/[^/]+$/.test(source)),
    ).toEqual([]);
    expect([...parts.keys()]).not.toContain("yaml");
    expect(readFileSync(join(folder.path, "index.mjs"), "utf8")).toContain("/people/{entity}/badge");
    expect(bytes).toBeLessThanOrEqual(500 * kib);
  });

  it.each([
    ["ledger copies and seals", "functions/ledger.ts"],
    ["the webhook endpoint", "functions/inbound.ts"],
  ])("leaves out connectors and sheets for %s and is at most 500 KiB", async (_, entry) => {
    const { sources, bytes } = await bundleAndReport(entry, { entry });

    expect(
      sources.filter((source) =>
        /^connectors\/|^bridge\/(mapping\/|governance\/(?!compliance-engine\.ts$))/.test(source),
      ),
    ).toEqual([]);
    expect(bytes).toBeLessThanOrEqual(500 * kib);
  });

  it("leaves out connectors for the operator API, which parses YAML sheets, and is at most 1,400 KiB", async () => {
    const { sources, bytes } = await bundleAndReport("functions/ops.ts", { entry: "functions/ops.ts" });

    expect(sources.filter((source) => /^connectors\/[^/]+$/.test(source))).toEqual([]);
    expect(bytes).toBeLessThanOrEqual(1_400 * kib);
  });

  // Reasons for the limits above 500 KiB: docs/decisions/0016-mapper-bundle-size.md and 0018-personal-data-detectors.md.
  it.each([
    ["mapper", 1_000],
    ["sheet-check", 510],
  ])("leaves out connectors and the YAML parser for the %s and is at most %i KiB", async (name, most) => {
    const { sources, bytes } = await bundleAndReport(`functions/${name}.ts`, { entry: `functions/${name}.ts` });

    expect(sources.filter((source) => /^connectors\/[^/]+$/.test(source))).toEqual([]);
    expect(sources.filter((source) => /\/(declaration|policy|sheet|yaml)-file\.ts$/.test(source))).toEqual([]);
    expect(bytes).toBeLessThanOrEqual(most * kib);
  });
});
