import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Row, rows } from "./rows.ts";

/** What vitest's JSON reporter says of one test. */
interface Tested {
  readonly fullName: string;
  readonly status: string;
  readonly meta?: { readonly figure?: string; readonly met?: boolean };
}

interface Line {
  readonly row: Row;
  readonly reached: string;
  readonly result: string;
}

const { values } = parseArgs({
  options: {
    /** The long ones: hours. */
    full: { type: "boolean", default: false },
    /** Only these rows: `--rows 1,5`. */
    rows: { type: "string" },
    /** Writes the table into docs/reliability.md, where it is whole. */
    write: { type: "boolean", default: false },
  },
});
const root = join(import.meta.dirname, "..", "..");
const wanted = values.rows?.split(",").map(Number);
const chosen = rows.filter(({ number }) => wanted?.includes(number) ?? true);

const files = [...new Set(chosen.flatMap(({ proofs }) => proofs.map(({ file }) => file)))].filter((file) =>
  existsSync(join(root, file)),
);
const began = performance.now();
// What is measured runs alone, the rest side by side.
const measured = files.filter((file) => /load|kill/.test(file));
const tested = new Map(
  [...measured.map((file) => [file]), files.filter((file) => !measured.includes(file))].flatMap(run),
);
const lines = chosen.map(judge);
const table = [
  "| # | what | asked for | reached | simulated | result |",
  "|---|---|---|---|---|---|",
  ...lines.map(
    ({ row, reached, result }) =>
      `| ${row.number} | ${row.what} | ${row.asked ?? ""} | ${reached} | ${row.simulated ? "yes" : "no"} | ${result} |`,
  ),
].join("\n");
console.log(table);
const failed = lines.filter(({ result }) => result.startsWith("fail"));
const minutes = ((performance.now() - began) / 60_000).toFixed(1);
console.log(`\n${lines.length} rows in ${minutes} min${values.full ? ", --full" : ""}; ${failed.length} failed`);
if (values.write && !wanted) writeTable();
if (failed.length > 0) process.exitCode = 1;

/** Runs some files, and gives each its tests. */
function run(some: readonly string[]): (readonly [string, readonly Tested[]])[] {
  if (some.length === 0) return [];
  const dir = mkdtempSync(join(tmpdir(), "bridge-reliability-"));
  const out = join(dir, "results.json");
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  spawnSync(process.execPath, [vitest, "run", ...some, "--reporter=json", `--outputFile=${out}`], {
    cwd: root,
    env: { ...process.env, RELIABILITY: values.full ? "full" : "budget", KILLS: values.full ? "100" : "5" },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const { testResults } = JSON.parse(readFileSync(out, "utf8")) as {
    testResults: { name: string; assertionResults: Tested[] }[];
  };
  rmSync(dir, { recursive: true });
  return testResults.map(({ name, assertionResults }) => [name.slice(root.length + 1), assertionResults] as const);
}

function judge(row: Row): Line {
  const missing: string[] = [];
  const found: Tested[] = [];
  for (const { file, named = /./, part = file } of row.proofs) {
    const matching = (tested.get(file) ?? []).filter(({ fullName }) => named.test(fullName));
    if (matching.length === 0) missing.push(part);
    found.push(...matching);
  }
  const bad = found.filter(({ status }) => status === "failed");
  const skipped = found.filter(({ status }) => status !== "failed" && status !== "passed").length;
  const figures = found.flatMap(({ meta }) => meta?.figure ?? []);
  const passed = `${found.length - bad.length - skipped} tests`;
  const reached = sumOfPoints(figures) ?? (figures.length > 0 ? figures.join("; ") : passed);
  const notBuilt = missing.length > 0 ? `not built yet: ${missing.join(", ")}` : "";
  const notRun = skipped > 0 ? `${skipped} skipped on this machine` : "";
  if (bad.length > 0) return { row, reached, result: `fail: ${bad.map(({ fullName }) => fullName).join("; ")}` };
  if (found.length === 0) return { row, reached: "", result: notBuilt };
  // What held only by the bounds of a short run, on whatever machine, is not called a pass.
  const met = found.every(({ meta }) => meta?.met !== false) && (row.byFull !== true || values.full) && !row.short;
  const why = row.short ?? "the figure asked for was not reached in this run";
  const held = met ? "pass" : `nothing broke; ${why}`;
  if (skipped === found.length) return { row, reached: "", result: notRun };
  return { row, reached, result: [held, notRun, notBuilt].filter((text) => text !== "").join("; ") };
}

/** Crash points are enumerated scenario by scenario, and told together. */
function sumOfPoints(figures: readonly string[]): string | undefined {
  const counts = figures.map((text) => /^(\d+) points$/.exec(text)?.[1]);
  if (counts.length === 0 || counts.includes(undefined)) return undefined;
  return `${counts.reduce((sum, count) => sum + Number(count), 0)} points in ${counts.length} scenarios`;
}

function writeTable(): void {
  const file = join(root, "docs", "reliability.md");
  const text = readFileSync(file, "utf8");
  const [before] = text.split("<!-- the table -->");
  const how = `Made by \`npm run test:reliability -- --write${values.full ? " --full" : ""}\` in ${minutes} min.`;
  writeFileSync(file, `${before}<!-- the table -->\n\n${how}\n\n${table}\n`);
}
