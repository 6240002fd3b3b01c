// Formats numbers and dates for flat files.
import * as z from "zod";
import type { Json } from "../../../bridge/values/json.ts";

/** Reason why a value cannot be written, without the value itself. */
export interface FlatFileIssue {
  /** Continuation of the field's name, such as `is not a number`, or a whole sentence about the packet. */
  readonly issue: string;
}

export function isIssue(value: object | string | bigint): value is FlatFileIssue {
  return typeof value === "object" && "issue" in value;
}

export const numberSchema = z.strictObject({
  decimals: z
    .int()
    .min(0)
    .max(12)
    .default(0)
    .describe("Decimal places. A value with more is refused and never rounded."),
  point: z
    .boolean()
    .default(false)
    .describe("true: writes the decimal point. false: the point is implied, like V in a COBOL picture."),
  sign: z
    .enum(["none", "minus", "leading", "trailing", "zoned"])
    .default("minus")
    .describe(
      "none: a negative value is refused. minus: only a negative value has a sign. leading, trailing: + or - is always written. zoned: the last digit carries the sign.",
    ),
});

export type NumberFormat = z.output<typeof numberSchema>;

/**
 * Scales a decimal number to an integer: 68.5 with two decimal places is 6850n. The result is exact, so sums of money
 * have no rounding error.
 */
export function scaleNumber(value: Json, decimals: number): bigint | FlatFileIssue {
  if (typeof value !== "number" && typeof value !== "string") return { issue: "is not a number" };
  const [, sign, whole, fraction = ""] = /^([+-]?)(\d{1,30})(?:\.(\d{1,30}))?$/.exec(String(value)) ?? [];
  // A number that prints with an exponent has too many digits, whether it is large or small.
  if (whole === undefined) return { issue: typeof value === "number" ? "has too many digits" : "is not a number" };
  if (/[1-9]/.test(fraction.slice(decimals))) return { issue: `has more than ${decimals} decimal places` };
  const scaled = BigInt(whole + fraction.slice(0, decimals).padEnd(decimals, "0"));
  return sign === "-" ? -scaled : scaled;
}

/**
 * Formats a number that `scaleNumber` returned.
 *
 * @param width positions to fill with leading zeros, sign included; 0 for as many as the number needs. The result is
 *   longer if the number does not fit.
 */
export function formatNumber(
  scaled: bigint,
  { decimals, point, sign }: NumberFormat,
  width = 0,
): string | FlatFileIssue {
  const isNegative = scaled < 0n;
  if (isNegative && sign === "none") return { issue: "is negative" };
  const prefix = sign === "leading" ? (isNegative ? "-" : "+") : sign === "minus" && isNegative ? "-" : "";
  const suffix = sign === "trailing" ? (isNegative ? "-" : "+") : "";
  const hasPoint = point && decimals > 0;
  const available = width - prefix.length - suffix.length - (hasPoint ? 1 : 0);
  const digits = (isNegative ? -scaled : scaled).toString().padStart(Math.max(decimals + 1, available), "0");
  // The zero before the decimal places is only for readability, so it is dropped if the width has no room for it.
  const fitting = width > 0 && digits.length > available && digits.startsWith("0") ? digits.slice(1) : digits;
  const unsigned = hasPoint ? `${fitting.slice(0, -decimals)}.${fitting.slice(-decimals)}` : fitting;
  return prefix + (sign === "zoned" ? overpunch(unsigned, isNegative) : unsigned) + suffix;
}

/** Last digit and sign in one character. Source: COBOL, "Zoned decimal", the EBCDIC overpunch as text. */
const overpunched = { plus: "{ABCDEFGHI", minus: "}JKLMNOPQR" };

function overpunch(digits: string, isNegative: boolean): string {
  const characters = isNegative ? overpunched.minus : overpunched.plus;
  return digits.slice(0, -1) + characters[Number(digits.at(-1))];
}

/** Matches a date format that `formatDate` accepts. */
export const datePattern = /^(?:YYYY|YY|MM|DDD|DD|HH|mm|ss|[-/.: T])+$/;

/** Formats an ISO 8601 date, or a time with an offset, which is converted to UTC. */
export function formatDate(value: Json, pattern: string): string | FlatFileIssue {
  const [, day, time] = (typeof value === "string" && /^(\d{4}-\d\d-\d\d)(T.+)?$/.exec(value)) || [];
  if (day === undefined) return { issue: "is not an ISO 8601 date such as 2026-12-01" };
  if (time !== undefined && !/(?:Z|[+-]\d\d:\d\d)$/.test(time))
    return { issue: "is a time without an offset from UTC" };
  const at = new Date(time === undefined ? `${day}T00:00:00Z` : (value as string));
  // Date accepts February 30 as March 2.
  const midnight = new Date(`${day}T00:00:00Z`);
  if (Number.isNaN(at.getTime()) || Number.isNaN(midnight.getTime()) || midnight.toISOString().slice(0, 10) !== day) {
    return { issue: "is a date that does not exist" };
  }
  const iso = at.toISOString();
  const dayOfYear = (Date.parse(iso.slice(0, 10)) - Date.parse(`${iso.slice(0, 4)}-01-01`)) / 86_400_000 + 1;
  const parts: Readonly<Record<string, string>> = {
    YYYY: iso.slice(0, 4),
    YY: iso.slice(2, 4),
    MM: iso.slice(5, 7),
    DD: iso.slice(8, 10),
    DDD: String(dayOfYear).padStart(3, "0"),
    HH: iso.slice(11, 13),
    mm: iso.slice(14, 16),
    ss: iso.slice(17, 19),
  };
  return pattern.replace(/YYYY|YY|MM|DDD|DD|HH|mm|ss/g, (part) => parts[part] as string);
}
