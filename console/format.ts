import type { Json } from "./api-types.ts";

/** `8 ms`, `3.2 s`, `10 min`, `2 h`: a length of time, as short as it is clear. */
export function span(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 10_000) return `${trimmed(ms / 1_000)} s`;
  if (ms < 90_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 5_400_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} d`;
}

function trimmed(seconds: number): string {
  return seconds.toFixed(1).replace(/\.0$/, "");
}

/** `12 s ago`, `in 3 min`; `now` for what is nearer than a second. */
export function distance(at: number, now: number): string {
  const ms = now - at;
  if (Math.abs(ms) < 1_000) return "now";
  const whole = Math.floor(Math.abs(ms) / 1_000) * 1_000;
  return ms > 0 ? `${span(whole)} ago` : `in ${span(whole)}`;
}

const dateTime = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const numbers = new Intl.NumberFormat("en-US");

export function fullTime(at: number): string {
  return dateTime.format(at);
}

export function clockTime(at: number): string {
  return clock.format(at);
}

export function count(value: number): string {
  return numbers.format(value);
}

/** `1 packet`, `1,204 packets` */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** A value as one reads it: a text without its quotes, the rest as JSON. */
export function shown(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** `2fa9c1…`: enough of a hash to tell two apart. */
export function shortHash(hash: string): string {
  return hash.replace(/^sha256[:-]/, "").slice(0, 12);
}
