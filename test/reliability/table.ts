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
  readonly tests: readonly ProofResult[];
}

/** Combines the statuses of a row's tests: `pass` only if its figure was reached. */
export function verdictOf(result: Result | undefined): string {
  if (!result) return "not run";
  const bad = result.tests.filter(({ status }) => status === "failed" || status === "missing");
  if (bad.length > 0) return `fail: ${bad.map(({ test, status }) => `${test} ${status}`).join("; ")}`;
  const ran = result.tests.filter(({ status }) => status === "passed");
  const skipped = result.tests.length - ran.length;
  const notRun = skipped > 0 ? `; ${skipped} skipped on this machine` : "";
  if (ran.length === 0) return `not run${notRun}`;
  // Staying within the looser limits of a short run is not a pass.
  const met = ran.every(({ met }) => met !== false);
  return `${met ? "pass" : "no failures, but the required figure was not reached in this run"}${notRun}`;
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
      verdictOf(result),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return [
    "| # | scenario | required | reached | seed | simulated | run | result |",
    "|---|---|---|---|---|---|---|---|",
    ...lines,
  ].join("\n");
}

function reachedBy({ tests }: Result): string {
  const passed = tests.filter(({ status }) => status === "passed");
  const figures = [...new Set(passed.flatMap(({ reached }) => reached ?? []))];
  const others = passed.filter(({ reached }) => reached === undefined).length;
  const points = sumOfPoints(passed.flatMap(({ reached }) => reached ?? []));
  const count = others > 0 ? [`${others} ${others === 1 ? "test" : "tests"}`] : [];
  return [...(points ?? figures), ...count].join("; ");
}

/** Sums the crash points, which are enumerated per scenario. Returns `undefined` if the figures are not all points. */
function sumOfPoints(figures: readonly string[]): string[] | undefined {
  const counts = figures.map((text) => /^(\d+) points$/.exec(text)?.[1]);
  if (counts.length === 0 || counts.includes(undefined)) return undefined;
  return [`${counts.reduce((sum, count) => sum + Number(count), 0)} points in ${counts.length} scenarios`];
}

function timeOf({ tests }: Result): string {
  const seconds = tests.reduce((sum, test) => sum + test.seconds, 0);
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
}
