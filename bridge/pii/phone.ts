import { type CountryCode, parsePhoneNumberFromString } from "libphonenumber-js/min";
import { isNonPersonal, type Meaning } from "./labels.ts";
import { isDirect } from "./ssn.ts";
import { digitsOf, type TextScan } from "./text-scan.ts";

/** Area code and exchange begin with 2 to 9, and a separator precedes the last four digits. Source: NANPA. */
const northAmerican =
  /(?<![\d\p{L}]|\d[-./,])(?:(?:\+|00)?1[ .-]{0,2})?(?:\([2-9]\d{2}\)[ ./-]{0,3}|[2-9]\d{2}[ ./-]{1,3})[2-9]\d{2}[ .-]{1,3}\d{4}(?!\d|[-./,]\d)/gu;
const international = /(?<![\d\p{L}+])(?:\+ ?|(?<!\()00[ -]?|011[ -])[1-9](?:[ ()./-]{0,3}\d){6,16}/gu;
/** A national number: a trunk zero, then groups of digits. A hyphen or slash can follow only the first group. */
const trunk = /(?<![\d\p{L}+]|\d[ -./,])\(?0[1-9]\d{0,4}\)?[ /-]{1,2}\d{2,8}(?: \d{2,8}){0,4}(?!\d|[-./,]\d)/gu;
const labeled = /(?<![\d\p{L}]|\d[.,])\(?\d(?:[ ()./-]{0,3}\d){5,16}(?!\d|[.,]\d)/gu;

/** Countries in whose numbering plans an unlabeled number with a trunk zero is validated. */
const trunkCountries: readonly CountryCode[] = [
  "GB",
  "DE",
  "FR",
  "NL",
  "BE",
  "CH",
  "AT",
  "SE",
  "AU",
  "NZ",
  "IE",
  "ZA",
  "IT",
];

/** Digits grouped like a telephone number: UUIDs, coordinates, times, amounts and numbers in groups of four. */
const nonPersonal =
  /[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?<![\d.])-?\d{1,3}\.\d{3,}\s*°?\s*[NSEW]?\s*,\s*-?\d{1,3}\.\d{3,}|(?<![\d:])\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?![\d:])|(?<![\d,])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])|\d{4} ?- ?\d{4} ?- ?\d{4}(?: ?- ?\d{4})?/giu;

/**
 * Finds telephone numbers.
 *
 * A number counts if it has a North American form, if it is international (`+`, `00` or `011`), or if it has a trunk
 * zero and is valid in one of the known countries. Any other number counts only under a telephone label.
 */
export function findPhones(scan: TextScan): void {
  for (const found of scan.remaining.matchAll(nonPersonal)) scan.exclude(found.index, found.index + found[0].length);
  addMatches(scan, international, internationalLength);
  addMatches(scan, northAmerican, (text, meaning, gap) => (isOther(meaning) && isDirect(gap) ? 0 : text.length));
  addMatches(scan, trunk, (text, meaning) =>
    isOther(meaning) || meaning === "bank" ? 0 : meaning === "phone" || isValidSomewhere(text) ? text.length : 0,
  );
  if (scan.mentions("phone"))
    addMatches(scan, labeled, (text, meaning) => (meaning === "phone" ? labeledLength(text) : 0));
}

function isOther(meaning: Meaning | undefined): boolean {
  return meaning === "other" || isNonPersonal(meaning);
}

/** @param lengthOf returns how many characters of a match are the telephone number; 0 if it is not one */
function addMatches(
  scan: TextScan,
  pattern: RegExp,
  lengthOf: (text: string, meaning: Meaning | undefined, gap: string | undefined) => number,
): void {
  for (const found of scan.remaining.matchAll(pattern)) {
    const [text] = found;
    const { index } = found;
    if (scan.isInsideWord(index, "phone")) continue;
    const label = scan.labelOf({ index, end: index + text.length });
    const length = lengthOf(text, label?.meaning, label?.gap);
    if (length > 0) scan.addMatch("phone", index, index + length + extensionAt(scan.remaining, index + length));
  }
}

const extension = /(?: ?[,;]? ?(?:x|ext\.?|extension|poste|durchwahl) ?| ?# ?)\d{1,6}(?![\d\p{L}])/iuy;

/** Returns the length of the extension that follows a number, or 0. */
function extensionAt(text: string, index: number): number {
  extension.lastIndex = index;
  return extension.exec(text)?.[0].length ?? 0;
}

/**
 * Returns the length of a valid international number.
 *
 * The pattern can also match groups of a following number, such as a date. Groups are dropped from the end until the
 * number is valid.
 */
function internationalLength(text: string, meaning: Meaning | undefined): number {
  for (let candidate = text; digitsOf(candidate).length >= 7; candidate = withoutLastGroup(candidate)) {
    const number = parsePhoneNumberFromString(candidate.replace(/^(?:011|00)[ -]?/, "+").replace("(0)", ""));
    // After a plus sign a possible length is enough, because new ranges open faster than the library's tables change.
    const isIndicated =
      meaning === "phone" || (candidate.startsWith("+") && !/^\+\d{1,3}\.\d{3,}(?!\.)/.test(candidate));
    if (isIndicated ? number?.isPossible() : number?.isValid()) return candidate.length;
  }
  return 0;
}

function withoutLastGroup(text: string): string {
  return text.slice(0, Math.max(0, text.search(/[ ()./-]+\d+$/)));
}

function isValidSomewhere(text: string): boolean {
  const digits = digitsOf(text).length;
  if (digits < 9 || digits > 12) return false;
  return trunkCountries.some((country) => parsePhoneNumberFromString(text, country)?.isValid());
}

/** Accepts 7 to 13 digits. Source: ITU-T E.164: at most 15 digits, of which up to three are the country code. */
function labeledLength(text: string): number {
  let candidate = text;
  while (digitsOf(candidate).length > 13) candidate = withoutLastGroup(candidate);
  return digitsOf(candidate).length >= 7 ? candidate.length : 0;
}
