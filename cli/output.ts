import { styleText } from "node:util";
import type { Status } from "../bridge/model/ledger-entry.ts";

export const exitCodes = { done: 0, no: 1, wrongCall: 2, couldNot: 3 } as const;

/** Sets the exit code of the command that is running. */
export type End = (code: number) => void;

const colours: Readonly<Record<Status, "green" | "yellow" | "red" | "gray">> = {
  SENT: "green",
  UNCHANGED: "gray",
  SUPERSEDED: "gray",
  DISCARDED: "gray",
  QUEUED: "yellow",
  RETRY: "yellow",
  HELD: "red",
};

/** A packet's line with its status in colour, where the terminal has colours. */
export function coloured(line: string, status: Status): string {
  return line.replace(status, styleText(colours[status], status));
}

/** One JSON document on standard output. */
export function printJson(value: unknown): void {
  console.log(JSON.stringify(value, null, 2));
}

/**
 * Tells how far long work is: on one line of a terminal that is written over, and nowhere else.
 *
 * @returns to be called with each state
 */
export function progress<T>(inWords: (state: T) => string): (state: T) => void {
  const { stderr } = process;
  if (!stderr.isTTY) return () => {};
  let told = "";
  process.once("exit", () => told && stderr.write("\r\x1b[K"));
  return (state) => {
    const line = inWords(state);
    if (line === told) return;
    told = line;
    stderr.write(`\r\x1b[K${line}`);
  };
}

/** Columns as wide as their widest cell. */
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
 * A whole number from 1 to a million, as an option's parser.
 *
 * @throws {RangeError} where it is none
 */
export function count(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new RangeError(`"${text}" is not a whole number from 1 to 999999`);
  return Number(text);
}

const unitsMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * A point in time as one types it: RFC 3339, `now`, or how long ago (`10m`, `2h`).
 *
 * @throws {RangeError} where it is none of these
 */
export function timeIn(text: string, now: number): Date {
  if (text === "now") return new Date(now);
  const ago = /^(\d{1,6})([smhd])$/.exec(text);
  if (ago) return new Date(now - Number(ago[1]) * (unitsMs[ago[2] as string] as number));
  // What Date.parse makes of "5" is a day in May 2001.
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw new RangeError(`"${text}" is not a time; write 10m, 2h, now or 2026-12-01T00:00:00Z`);
  return new Date(at);
}
