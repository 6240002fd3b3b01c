import type { Targets } from "./target.ts";

// Types and helpers of the scenarios. A scenario is one file in scenarios/, listed in scenarios.ts.

/** The public library of the tree that is measured. */
export type Library = typeof import("../index.ts");

/** The result of one run: numbers by name, with the unit in the name. */
export type Figures = Readonly<Record<string, number>>;

export interface Measurement {
  /** Empty if the tree cannot run the scenario. */
  readonly figures: Figures;
  /** Reasons for figures that are missing. */
  readonly notes: readonly string[];
}

export interface RunContext {
  /** Root of the tree whose code is measured. */
  readonly tree: string;
  /** Loads the tree's library. A scenario that does not call it is measured without the library's memory. */
  readonly library: () => Promise<Library>;
  readonly targets: Targets;
  /** Packets of a burst or a roster. Shorter scenarios scale with it. */
  readonly packets: number;
  /** An empty folder for this run, which the caller removes. */
  readonly dir: string;
}

/** One line of the comparison. Lower is better in all of them. */
export interface Row {
  readonly label: string;
  readonly unit: "×" | "MB" | "ms" | "ns" | "s";
  /** Reads the value from a run and from the floor of the same round. NaN if a figure is missing. */
  readonly value: (figures: Figures, floor: Figures) => number;
  /** Shown without a verdict, because another row already compares the same figure. */
  readonly isContext?: true;
}

/** A line about one run, such as `idle   emit to acknowledged delivery: …`. */
export interface Line {
  readonly name: string;
  readonly text: string;
}

export interface Scenario {
  readonly name: string;
  /** One line for `--help`. */
  readonly summary: string;
  readonly rows: readonly Row[];
  readonly run: (context: RunContext) => Promise<Measurement>;
  readonly lines: (figures: Figures, floor: Figures) => readonly Line[];
}

/** Creates a row that shows one figure, multiplied by a factor to fit its unit. */
export function row(label: string, unit: Row["unit"], name: string, factor = 1): Row {
  return { label, unit, value: (figures) => (figures[name] ?? Number.NaN) * factor };
}

/** Rows for the usage that `startMeter` measures. */
export const usageRows: readonly Row[] = [
  row("CPU per packet", "ms", "cpuMsPerPacket"),
  row("peak memory", "MB", "peakMemoryBytes", 1e-6),
];

/** Row for the wall time as a multiple of the time in which the floor sends one request per packet. */
export const wallOverFloor: Row = {
  label: "wall ÷ floor",
  unit: "×",
  isContext: true,
  value: ({ seconds = Number.NaN, packets = Number.NaN }, { requestsPerSecond = Number.NaN }) =>
    (seconds * requestsPerSecond) / packets,
};

/** Formats a figure with at most the given number of decimal places. */
export function rounded(value: number | undefined, digits = 2): string {
  return String(Number((value ?? Number.NaN).toFixed(digits)));
}
