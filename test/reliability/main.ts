import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { startVitest } from "vitest/node";
import { skippedTests } from "../support/skipped-tests.ts";
import { type Row, rows } from "./rows.ts";
import { hasFailed, type Result, tableOf } from "./table.ts";
import { taggedFiles } from "./tagged-files.ts";

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
if (values.full) process.env.RELIABILITY = "full";
// Loaded after the variable is set, which it reads.
const { resultsOf } = await import("./results.ts");

const root = join(import.meta.dirname, "..", "..");
const resultsFile = join(root, "docs", "reliability", "results.ndjson");
const requestedRows = values.rows?.split(",").map(Number);
const chosen = rows.filter(({ number }) => requestedRows?.includes(number) ?? true);
const proven = chosen.filter(({ pending }) => !pending);

const began = performance.now();
const results = proven.length > 0 ? await run(proven) : [];
const minutes = ((performance.now() - began) / 60_000).toFixed(1);
console.log(`\n${tableOf(chosen, results)}`);
const failed = proven.filter((row, i) => hasFailed(row, results[i]));
console.log(`\n${chosen.length} rows in ${minutes} min${values.full ? ", --full" : ""}; ${failed.length} failed`);
if (values.keep) keepResults();
// Vitest has set the exit code if a test failed.
if (failed.length > 0) process.exitCode = 1;

/** Runs the tests of some rows and returns the rows' results. */
async function run(chosenRows: readonly Row[]): Promise<readonly Result[]> {
  const vitest = await startVitest([...taggedFiles(chosenRows)], {
    root,
    watch: false,
    tagsFilter: [chosenRows.map(({ number }) => `row-${number}`).join(" || ")],
    reporters: ["default", skippedTests],
  });
  const modules = vitest.state.getTestModules();
  await vitest.close();
  return resultsOf(chosenRows, modules);
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
