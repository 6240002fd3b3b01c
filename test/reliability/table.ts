import type { Row } from "./rows.ts";

/** Result of one test of a row, as stored in results.ndjson. */
export interface ProofResult {
  readonly file: string;
  readonly test: string;
  readonly status: string;
  readonly seconds: number;
  readonly reached?: string | undefined;
  readonly met?: boolean | undefined;
  readonly seed?: string | undefined;
}

/** Result of the last run of a row: one line of results.ndjson. */
export interface Result {
  readonly row: number;
  readonly full: boolean;
  readonly at: string;
  /** Short hash, followed by `+` if the tree had uncommitted changes. */
  readonly commit: string;
  readonly machine: string;
  /** Number of tests by which the row was short of its minimum. */
  readonly missing?: number | undefined;
  readonly tests: readonly ProofResult[];
}

/** Combines the statuses of a row's tests: `pass` only if its figure was reached. */
export function verdictOf(row: Row, result: Result | undefined): string {
  if (row.pending) return "not proven yet";
  if (!result) return "not run";
  const failed = result.tests.filter(({ status }) => status === "failed").map(({ test }) => `${test} failed`);
  const missing = result.missing ? [`${result.missing} of its ${row.tests} tests missing`] : [];
  if (failed.length + missing.length > 0) return `fail: ${[...failed, ...missing].join("; ")}`;
  const ran = result.tests.filter(({ status }) => status === "passed");
  const skipped = result.tests.length - ran.length;
  const notRun = skipped > 0 ? `; ${skipped} skipped on this machine` : "";
  if (ran.length === 0) return `not run${notRun}`;
  // Staying within the looser limits of a short run is not a pass.
  const met = ran.every(({ met }) => met !== false);
  return `${met ? "pass" : "no failures, but the required figure was not reached in this run"}${notRun}`;
}

/** True if a row has failed, or has fewer tests than it needs. */
export function hasFailed(row: Row, result: Result | undefined): boolean {
  return verdictOf(row, result).startsWith("fail");
}

/** Renders the table in Markdown. @param results results of the rows that were run */
export function tableOf(rows: readonly Row[], results: readonly Result[]): string {
  const lines = rows.map((row) => {
    const result = results.find((candidate) => candidate.row === row.number);
    const cells = [
      row.number,
      row.scenario,
      row.required ?? "",
      result ? reachedBy(result) : "",
      [...new Set(result?.tests.flatMap(({ seed }) => seed ?? []))].join("; "),
      row.simulated,
      result ? `${result.full ? "full" : "short"}, ${timeOf(result)}` : "",
      verdictOf(row, result),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return [
    "| # | scenario | required | reached | seed | simulated | run | result |",
    "|---|---|---|---|---|---|---|---|",
    ...lines,
  ].join("\n");
}

/** Renders one line per row: its number, figure and result. */
export function listOf(rows: readonly Row[], results: readonly Result[]): string {
  const lines = rows.map((row) => {
    const result = results.find((candidate) => candidate.row === row.number);
    const reached = result && result.tests.length > 0 ? `${reachedBy(result)}: ` : "";
    return `${String(row.number).padStart(4)}  ${reached}${verdictOf(row, result)}`;
  });
  return lines.join("\n");
}

function reachedBy({ tests }: Result): string {
  const passed = tests.filter(({ status }) => status === "passed");
  const figures = passed.flatMap(({ reached }) => reached ?? []);
  const others = passed.length - figures.length;
  const count = others > 0 ? [`${others} ${others === 1 ? "test" : "tests"}`] : [];
  return [...(sumOf(figures) ?? new Set(figures)), ...count].join("; ");
}

/** Sums `22 points` or `1045 states, depth 24` over a row's scenarios. Returns `undefined` for any other figure. */
function sumOf(figures: readonly string[]): string[] | undefined {
  const parts = figures
    .map((text) => /^(\d+) (points|states)(?:, depth (\d+))?$/.exec(text))
    .filter((found) => found !== null);
  if (parts.length === 0 || parts.length < figures.length) return undefined;
  const count = parts.reduce((sum, [, number]) => sum + Number(number), 0);
  const depths = parts.flatMap(([, , , depth]) => (depth === undefined ? [] : [Number(depth)]));
  const depth = depths.length > 0 ? `, depth up to ${Math.max(...depths)},` : "";
  return [`${count} ${parts[0]?.[2]}${depth} in ${parts.length} scenarios`];
}

function timeOf({ tests }: Result): string {
  const seconds = tests.reduce((sum, test) => sum + test.seconds, 0);
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
}
