import * as z from "zod";
import type { Json } from "../../../bridge/values/json.ts";

/** Why a value cannot stand where it should; never repeats the value. */
export interface FlatFileIssue {
  readonly fault: string;
}

export const numberSchema = z.strictObject({
  decimals: z.int().min(0).max(12).default(0).describe("A value with more is refused, and never rounded."),
  point: z.boolean().default(false).describe("Whether the decimal point is written; without it, as COBOL's V."),
  sign: z
    .enum(["none", "minus", "leading", "trailing", "zoned"])
    .default("minus")
    .describe(
      "none: below zero is refused. minus: only where below zero. leading, trailing: + or -. zoned: in the last digit.",
    ),
});

export type NumberForm = z.output<typeof numberSchema>;

/**
 * A number as a whole one of its last decimals: 68.5 with two decimals is 6850n. Exact, as decimals of money must be.
 */
export function scaledOf(value: Json, decimals: number): bigint | FlatFileIssue {
  if (typeof value !== "number" && typeof value !== "string") return { fault: "is no number" };
  const [, sign, whole, part = ""] = /^([+-]?)(\d{1,30})(?:\.(\d{1,30}))?$/.exec(String(value)) ?? [];
  // A number so large or small that it is written with an exponent has too many digits, either way.
  if (whole === undefined) return { fault: typeof value === "number" ? "has too many digits" : "is no number" };
  if (/[1-9]/.test(part.slice(decimals))) return { fault: `has more than ${decimals} decimals` };
  const scaled = BigInt(whole + part.slice(0, decimals).padEnd(decimals, "0"));
  return sign === "-" ? -scaled : scaled;
}

/** The last digit and the sign in one character. Source: COBOL, "Zoned decimal", the EBCDIC overpunch as text. */
const zoned = { plus: "{ABCDEFGHI", minus: "}JKLMNOPQR" };

/**
 * A scaled number as it is written.
 *
 * @param width positions to fill with zeros, behind the sign; absent: as many as it takes
 */
export function numberText(scaled: bigint, { decimals, point, sign }: NumberForm, width = 0): string | FlatFileIssue {
  const isBelow = scaled < 0n;
  if (isBelow && sign === "none") return { fault: "is below zero" };
  const before = sign === "leading" ? (isBelow ? "-" : "+") : sign === "minus" && isBelow ? "-" : "";
  const behind = sign === "trailing" ? (isBelow ? "-" : "+") : "";
  const hasPoint = point && decimals > 0;
  const room = width - before.length - behind.length - (hasPoint ? 1 : 0);
  const digits = (isBelow ? -scaled : scaled).toString().padStart(Math.max(decimals + 1, room), "0");
  // A zero before the decimals is there to be read; where there is no room for it, it is not needed.
  const fitting = width > 0 && digits.length > room && digits.startsWith("0") ? digits.slice(1) : digits;
  const whole = hasPoint ? `${fitting.slice(0, -decimals)}.${fitting.slice(-decimals)}` : fitting;
  const signed = sign === "zoned" ? overpunched(whole, isBelow) : whole;
  return before + signed + behind;
}

function overpunched(digits: string, isBelow: boolean): string {
  const characters = isBelow ? zoned.minus : zoned.plus;
  return digits.slice(0, -1) + characters[Number(digits.at(-1))];
}

export const datePattern = /^(?:YYYY|YY|MM|DDD|DD|HH|mm|ss|[-/.: T])+$/;

/** An ISO 8601 date, or a time with its offset, written another way; a time is taken in UTC. */
export function dateText(value: Json, pattern: string): string | FlatFileIssue {
  const [, day, time] = (typeof value === "string" && /^(\d{4}-\d\d-\d\d)(T.+)?$/.exec(value)) || [];
  if (day === undefined) return { fault: "is no ISO 8601 date such as 2026-12-01" };
  if (time !== undefined && !/(?:Z|[+-]\d\d:\d\d)$/.test(time))
    return { fault: "is a time without its offset from UTC" };
  const at = new Date(time === undefined ? `${day}T00:00:00Z` : (value as string));
  // The 30th of February is taken for the 2nd of March.
  const exists = new Date(`${day}T00:00:00Z`);
  if (Number.isNaN(at.getTime()) || Number.isNaN(exists.getTime()) || exists.toISOString().slice(0, 10) !== day) {
    return { fault: "is a date that does not exist" };
  }
  const iso = at.toISOString();
  const ofYear = (Date.parse(iso.slice(0, 10)) - Date.parse(`${iso.slice(0, 4)}-01-01`)) / 86_400_000 + 1;
  const parts: Readonly<Record<string, string>> = {
    YYYY: iso.slice(0, 4),
    YY: iso.slice(2, 4),
    MM: iso.slice(5, 7),
    DD: iso.slice(8, 10),
    DDD: String(ofYear).padStart(3, "0"),
    HH: iso.slice(11, 13),
    mm: iso.slice(14, 16),
    ss: iso.slice(17, 19),
  };
  return pattern.replace(/YYYY|YY|MM|DDD|DD|HH|mm|ss/g, (part) => parts[part] as string);
}

export function isIssue(value: object | string | bigint): value is FlatFileIssue {
  return typeof value === "object" && "fault" in value;
}
