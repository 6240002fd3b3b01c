import type { Json } from "./api-types.ts";

/** Formats a duration in one unit: `8 ms`, `3.2 s`, `10 min`, `2 h`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 10_000) return `${oneDecimal(ms / 1_000)} s`;
  if (ms < 90_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 5_400_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} d`;
}

function oneDecimal(seconds: number): string {
  return seconds.toFixed(1).replace(/\.0$/, "");
}

/** Formats a time relative to now: `12 s ago`, `in 3 min`, or `now` if it is less than a second away. */
export function formatRelative(time: number, now: number): string {
  const ms = now - time;
  if (Math.abs(ms) < 1_000) return "now";
  const wholeSeconds = Math.floor(Math.abs(ms) / 1_000) * 1_000;
  return ms > 0 ? `${formatDuration(wholeSeconds)} ago` : `in ${formatDuration(wholeSeconds)}`;
}

const dateTime = new Intl.DateTimeFormat("en-US", { dateStyle: "medium", timeStyle: "long", hourCycle: "h23" });
const clock = new Intl.DateTimeFormat("en-US", { timeStyle: "medium", hourCycle: "h23" });
const numbers = new Intl.NumberFormat("en-US");

/** Formats a time in full: `Dec 1, 2026, 14:05:06 UTC`. */
export function fullTime(time: number): string {
  return dateTime.format(time);
}

/** Formats the time of day: `14:05:06`. */
export function clockTime(time: number): string {
  return clock.format(time);
}

/** Formats a number without a noun: `1,204`. */
export function formatCount(value: number): string {
  return numbers.format(value);
}

/** Formats a number with its noun: `1 packet`, `1,204 packets`. */
export function counted(value: number, singular: string, plural = `${singular}s`): string {
  return `${formatCount(value)} ${value === 1 ? singular : plural}`;
}

/** Formats a value for display: text without quotes, everything else as JSON. */
export function valueText(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Shortens a hash to 12 characters, enough to distinguish two versions. */
export function shortHash(hash: string): string {
  return hash.replace(/^sha256[:-]/, "").slice(0, 12);
}
