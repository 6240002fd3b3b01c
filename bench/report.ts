import type { ComparedRow } from "./comparison.ts";
import { type Comparison, oneInHowMany } from "./statistics.ts";

// Formats a comparison as a table with a summary.

export interface ReportOptions {
  /** The heading of the other side's column, such as a short commit id. */
  readonly other: string;
  readonly rounds: number;
  readonly notes: readonly string[];
}

/** Returns the whole report as text. */
export function reportOf(rows: readonly ComparedRow[], { other, rounds, notes }: ReportOptions): string {
  return [
    tableOf(rows, other),
    "",
    ...notes,
    ...summaryOf(rows),
    ...floorWarning(rows),
    "",
    "today, other: the median of the rounds. Lower is better in every row.",
    "ratio: the median of the rounds' ratios today/other. spread: the lowest and the highest of these ratios.",
    "Within noise: 1 is within the spread. Today's figure was then not higher in every round, and not lower in every",
    `round. With ${rounds} rounds, chance alone puts about 1 figure in ${oneInHowMany(rounds)} outside the noise.`,
  ].join("\n");
}

function tableOf(rows: readonly ComparedRow[], other: string): string {
  const header = ["scenario", "figure", "unit", "today", other, "ratio", "spread", "verdict"];
  const lines = rows.map((row, i) => [
    rows[i - 1]?.scenario === row.scenario ? "" : row.scenario,
    row.label,
    row.unit,
    threeDigits(row.today),
    threeDigits(row.other),
    ...(row.isContext ? [] : [row.ratio.toFixed(2), spreadOf(row), verdictOf(row)]),
  ]);
  const isNumber = (column: number) => column >= 3 && column <= 6;
  const table = [header, ...lines];
  const widths = header.map((_, column) => Math.max(...table.map((cells) => (cells[column] ?? "").length)));
  return table
    .map((cells) =>
      cells
        .map((cell, i) => (isNumber(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Rounds to three significant digits, so that 0.0812 ms and 1890 ns have the same precision. */
export function threeDigits(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function spreadOf({ lowestRatio, highestRatio }: Comparison): string {
  return `${lowestRatio.toFixed(2)}–${highestRatio.toFixed(2)}`;
}

/** Returns the verdict on one figure: within noise, or the direction and size of the difference. */
function verdictOf({ isWithinNoise, ratio }: Comparison): string {
  if (isWithinNoise) return "within noise";
  const percent = Math.round(Math.abs(ratio - 1) * 1_000) / 10;
  return `${percent} % ${ratio > 1 ? "higher" : "lower"}`;
}

/** Lists the figures that differ, one per line. Omits the floor, which is the same program on both sides. */
function summaryOf(rows: readonly ComparedRow[]): readonly string[] {
  const figures = rows.filter(({ scenario, isContext }) => scenario !== "floor" && !isContext);
  const outside = figures.filter(({ isWithinNoise }) => !isWithinNoise);
  const are = figures.length === 1 ? "figure is" : "figures are";
  const within = `${figures.length - outside.length} of ${figures.length} ${are} within noise.`;
  if (outside.length === 0) return [within];
  return [`${within} Today differs in:`, ...outside.map((row) => `  ${row.scenario} ${row.label}: ${verdictOf(row)}`)];
}

function floorWarning(rows: readonly ComparedRow[]): readonly string[] {
  const isSteady = rows.every(({ scenario, isWithinNoise }) => scenario !== "floor" || isWithinNoise);
  if (isSteady) return [];
  return [
    "The floor differs too, although both sides run the same program for it: the machine was not steady.",
    "Repeat the comparison with more rounds before trusting small differences.",
  ];
}
