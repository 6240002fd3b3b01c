import { styleText } from "node:util";
import type { Status } from "../bridge/model/ledger-entry.ts";
import { InvalidRequestError } from "../bridge/values/bridge-error.ts";

export const exitCodes = { done: 0, no: 1, wrongCall: 2, couldNot: 3 } as const;

/** Sets the exit code of the running command. */
export type SetExitCode = (code: number) => void;

const colors: Readonly<Record<Status, "green" | "yellow" | "red" | "gray">> = {
  SENT: "green",
  UNCHANGED: "gray",
  SUPERSEDED: "gray",
  DISCARDED: "gray",
  QUEUED: "yellow",
  RETRY: "yellow",
  HELD: "red",
};

/** Colors the status in a packet's line, if the terminal supports colors. */
export function colored(line: string, status: Status): string {
  return line.replace(status, styleText(colors[status], status));
}

/** Added to a summary if the wait ended before all packets were closed, held or in the outbox. */
export const notSettled = 'some packets are still being processed; "bridge outbox" shows them';

/** Prints one JSON document to standard output. */
export function printJson(value: unknown): void {
  console.log(JSON.stringify(value, null, 2));
}

/**
 * Shows progress on one line of the terminal, which each update overwrites. Prints nothing if standard error is not a
 * terminal.
 *
 * @returns a function to call with each new state
 */
export function progress<T>(lineOf: (state: T) => string): (state: T) => void {
  const { stderr } = process;
  if (!stderr.isTTY) return () => {};
  let shown = "";
  process.once("exit", () => shown && stderr.write("\r\x1b[K"));
  return (state) => {
    const line = lineOf(state);
    if (line === shown) return;
    shown = line;
    stderr.write(`\r\x1b[K${line}`);
  };
}

/** Returns a count with its noun: `1 packet`, `2 packets`. */
export function plural(quantity: number, noun: string): string {
  return `${quantity} ${noun}${quantity === 1 ? "" : "s"}`;
}

/** Formats rows as a table whose columns are as wide as their widest cell. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? "").length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] as number))
      .join("  ")
      .trimEnd();
  return [styleText("bold", line(header)), ...rows.map(line)].join("\n");
}

/**
 * Parses an option's value as a whole number from 1 to 999,999.
 *
 * @throws {RangeError} if it is not one
 */
export function count(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new RangeError(`"${text}" is not a whole number from 1 to 999999`);
  return Number(text);
}

const unitsMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Parses a time given on the command line: RFC 3339, `now`, or an age such as `10m` or `2h`.
 *
 * @throws {RangeError} if it is none of these
 */
export function timeIn(text: string, now: number): Date {
  if (text === "now") return new Date(now);
  const ago = /^(\d{1,6})([smhd])$/.exec(text);
  if (ago) return new Date(now - Number(ago[1]) * (unitsMs[ago[2] as string] as number));
  // On its own, Date.parse would accept "5" as May 1, 2001.
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw new RangeError(`"${text}" is not a time; write 10m, 2h, now or 2026-12-01T00:00:00Z`);
  return new Date(at);
}

/** Returns true if the arguments caused an error: an option, an id or a file that the caller has to correct. */
export function isInvalidRequest(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof InvalidRequestError;
}
