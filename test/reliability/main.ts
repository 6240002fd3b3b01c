import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { type Row, rows } from "./rows.ts";
import { type ProofResult, type Result, tableOf, verdictOf } from "./table.ts";

/** One test in the output of Vitest's JSON reporter. */
interface TestResult {
  readonly fullName: string;
  readonly status: string;
  /** ms */
  readonly duration?: number | null;
  readonly failureMessages?: readonly string[];
  readonly meta?: { readonly figure?: string; readonly met?: boolean; readonly seed?: string };
}

// Runs the tests of the reliability rows and prints the table: `npm run test:reliability`.
const { values } = parseArgs({
  options: {
    /** Also runs the long tests, which take hours. */
    full: { type: "boolean", default: false },
    /** Runs only these rows: `--rows 1,5`. */
    rows: { type: "string" },
    /** Writes the results to docs/reliability/results.ndjson and generates the table in docs/reliability.md from it. */
    keep: { type: "boolean", default: false },
  },
});
const root = join(import.meta.dirname, "..", "..");
const resultsFile = join(root, "docs", "reliability", "results.ndjson");
const requestedRows = values.rows?.split(",").map(Number);
const chosen = rows.filter(({ number }) => requestedRows?.includes(number) ?? true);
const files = [...new Set(chosen.flatMap(({ proofs }) => proofs.map(({ file }) => file)))];

// Measurements run alone and all other files in parallel. With --rows, each file runs alone with only the rows' tests.
const alone = requestedRows ? files : files.filter((file) => /load|kill/.test(file));
const began = performance.now();
const resultsByFile = new Map(
  [...alone.map((file) => [file]), files.filter((file) => !alone.includes(file))].flatMap((group) => run(group)),
);
const minutes = ((performance.now() - began) / 60_000).toFixed(1);
const results = chosen.map(resultOf);
console.log(tableOf(chosen, results));
printFailures();
const failed = chosen.filter((_, i) => verdictOf(results[i]).startsWith("fail"));
console.log(`\n${chosen.length} rows in ${minutes} min${values.full ? ", --full" : ""}; ${failed.length} failed`);
if (values.keep) keepResults();
if (failed.length > 0) process.exitCode = 1;

/** Runs test files and returns the results by file. */
function run(testFiles: readonly string[]): (readonly [string, readonly TestResult[]])[] {
  const [first] = testFiles;
  if (first === undefined) return [];
  const dir = mkdtempSync(join(tmpdir(), "bridge-reliability-"));
  const out = join(dir, "results.json");
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  const only = testFiles.length === 1 ? ["--testNamePattern", patternFor(first)] : [];
  spawnSync(process.execPath, [vitest, "run", ...testFiles, ...only, "--reporter=json", `--outputFile=${out}`], {
    cwd: root,
    env: { ...process.env, RELIABILITY: values.full ? "full" : "budget", KILLS: values.full ? "100" : "5" },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const { testResults } = JSON.parse(readFileSync(out, "utf8")) as {
    testResults: { name: string; assertionResults: TestResult[] }[];
  };
  rmSync(dir, { recursive: true });
  return testResults.map(({ name, assertionResults }) => [name.slice(root.length + 1), assertionResults] as const);
}

/** Prints the failed tests, with their seed and trace if they report one. */
function printFailures(): void {
  for (const { fullName, failureMessages = [] } of [...resultsByFile.values()].flat()) {
    for (const message of failureMessages) {
      const lines = message.split("\n").filter((line) => !/^\s+at /.test(line));
      console.log(["", fullName, ...lines.slice(0, 40).map((line) => `  ${line}`)].join("\n"));
    }
  }
}

/** Returns a pattern for the tests of a file that prove any of the chosen rows. */
function patternFor(file: string): string {
  const proofs = chosen.flatMap(({ proofs }) => proofs.filter((proof) => proof.file === file));
  return proofs.map(({ named = /./ }) => `(?${named.flags}:${named.source})`).join("|");
}

function resultOf({ number, proofs }: Row): Result {
  const tests = proofs.flatMap(({ file, named = /./ }): ProofResult[] => {
    const matching = (resultsByFile.get(file) ?? []).filter(({ fullName }) => named.test(fullName));
    if (matching.length === 0) return [{ file, test: `${named}`, status: "missing", seconds: 0 }];
    return matching.map(({ fullName, status, duration, meta }) => ({
      file,
      test: fullName,
      status,
      seconds: Math.round(duration ?? 0) / 1_000,
      reached: meta?.figure,
      met: meta?.met,
      seed: meta?.seed,
    }));
  });
  return { row: number, full: values.full, at: new Date().toISOString(), commit: commit(), machine: machine(), tests };
}

/** Replaces the kept results of these rows and rewrites the table. */
function keepResults(): void {
  const before = existsSync(resultsFile)
    ? readFileSync(resultsFile, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Result)
    : [];
  const others = before.filter(({ row }) => !results.some((result) => result.row === row));
  const all = [...others, ...results].sort((a, b) => a.row - b.row);
  mkdirSync(dirname(resultsFile), { recursive: true });
  writeFileSync(resultsFile, all.map((result) => `${JSON.stringify(result)}\n`).join(""));
  const file = join(root, "docs", "reliability.md");
  const [text] = readFileSync(file, "utf8").split("<!-- the table -->");
  writeFileSync(file, `${text}<!-- the table -->\n\n${tableOf(rows, all)}\n`);
}

function commit(): string {
  const git = (...args: string[]) => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
  return `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain") === "" ? "" : "+"}`;
}

function machine(): string {
  const [cpu] = cpus();
  return `${cpus().length} × ${cpu?.model.trim()}, ${process.platform}, Node ${process.versions.node}`;
}
