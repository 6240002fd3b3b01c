import { parseArgs } from "node:util";
import type { Scenario } from "./scenario.ts";

// Parses the command line of the bench.

/** Options of both commands. */
interface Common {
  /** Names of scenarios, without the floor. */
  readonly only: readonly string[];
  readonly packets: number;
  /** File for the raw figures. */
  readonly json: string | undefined;
}

export interface MeasureCommand extends Common {
  readonly kind: "measure";
  /** True if every scenario runs in full, so that the figures may be kept in results.json. */
  readonly isFull: boolean;
}

export interface CompareCommand extends Common {
  readonly kind: "compare";
  /** The revision as given on the command line. */
  readonly against: string;
  readonly rounds: number;
}

export type BenchCommand =
  | MeasureCommand
  | CompareCommand
  | { readonly kind: "help" }
  | { readonly kind: "invalid"; readonly message: string };

export const defaultPackets = 25_000;
export const defaultRounds = 5;

const options = {
  against: { type: "string" },
  rounds: { type: "string" },
  only: { type: "string" },
  packets: { type: "string" },
  json: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** Thrown if an option's value is invalid. The message is for the user. */
class OptionError extends Error {
  override readonly name = "OptionError";
}

/**
 * Parses the arguments that follow `npm run bench --`.
 *
 * @param names of all scenarios
 */
export function parseOptions(args: readonly string[], names: readonly string[]): BenchCommand {
  try {
    return commandOf(args, names);
  } catch (error) {
    if (error instanceof OptionError) return { kind: "invalid", message: error.message };
    const { code = "", message } = error as NodeJS.ErrnoException;
    if (!code.startsWith("ERR_PARSE_ARGS")) throw error;
    return { kind: "invalid", message: `${message.split(/\. |\n/)[0]}. See --help.` };
  }
}

function commandOf(args: readonly string[], names: readonly string[]): BenchCommand {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  if (values.help) return { kind: "help" };
  if (positionals.length > 0) {
    throw new OptionError(
      `Unexpected "${positionals[0]}". Write options after "--": npm run bench -- --against HEAD~1`,
    );
  }
  const { against, rounds, only, packets, json } = values;
  const common = {
    only: only === undefined ? names : scenariosIn(only, names),
    packets: packets === undefined ? defaultPackets : wholeNumber("packets", packets, { least: 100, most: 1_000_000 }),
    json,
  };
  if (against !== undefined) {
    const roundCount = rounds === undefined ? defaultRounds : wholeNumber("rounds", rounds, { least: 2, most: 100 });
    return { kind: "compare", against, rounds: roundCount, ...common };
  }
  if (rounds !== undefined) throw new OptionError("--rounds needs --against <commit>");
  return { kind: "measure", isFull: only === undefined && packets === undefined, ...common };
}

function scenariosIn(text: string, names: readonly string[]): readonly string[] {
  const wanted = text.split(",").map((name) => name.trim());
  const unknown = wanted.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new OptionError(`--only: unknown scenario "${unknown}". Known: ${names.join(", ")}`);
  return names.filter((name) => wanted.includes(name));
}

function wholeNumber(option: string, text: string, { least, most }: { least: number; most: number }): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new OptionError(`--${option}: "${text}" is not a whole number from ${least} to ${most}`);
}

/** Returns the text of `--help`. */
export function helpText(scenarios: readonly Scenario[]): string {
  const width = Math.max(...scenarios.map(({ name }) => name.length));
  return `Usage: npm run bench                              measures this tree and writes bench/results.json
       npm run bench -- --against <commit>        compares this tree with another commit

  --against <commit>  Runs this tree and the commit in turns against one target process, and prints the ratios of
                      their figures with their spread. Accepts any revision that git rev-parse accepts.
  --rounds N          Number of counted rounds, at least 2. Default: ${defaultRounds}. A warm-up round runs before them.
                      Needs --against.
  --only a,b          Runs only these scenarios.
  --packets N         Packets of a burst and of a roster, at least 100. Default: ${defaultPackets}. Idle sends one
                      event for every 25 of them, and at least 200.
  --json FILE         Writes the raw figures to a file.
  -h, --help          Prints this help.

Scenarios:
${scenarios.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join("\n")}

Each run has a process of its own, on the Node version that runs the bench. CPU is the user and system time of all
its threads. Peak memory is its largest resident set. "÷ floor" divides by the floor of the same round; for wall time,
that is the time in which the bare loop sends one request per packet. With --only or --packets, results.json is not
written.`;
}
