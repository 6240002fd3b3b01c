import { type CountryCode, parsePhoneNumberFromString } from "libphonenumber-js/min";
import { isOfThing, type Meaning } from "./labels.ts";
import { isDirect } from "./ssn.ts";
import { digitsOf, type TextScan } from "./text-scan.ts";

/** Area and exchange begin with 2 to 9; something parts at least the last four. Source: NANPA, numbering plan. */
const northAmerican =
  /(?<![\d\p{L}]|\d[-./,])(?:(?:\+|00)?1[ .-]{0,2})?(?:\([2-9]\d{2}\)[ ./-]{0,3}|[2-9]\d{2}[ ./-]{1,3})[2-9]\d{2}[ .-]{1,3}\d{4}(?!\d|[-./,]\d)/gu;
const international = /(?<![\d\p{L}+])(?:\+ ?|(?<!\()00[ -]?|011[ -])[1-9](?:[ ()./-]{0,3}\d){6,16}/gu;
/** A trunk zero, then groups, of which a hyphen parts only the first: how people write a number of their own country. */
const trunk = /(?<![\d\p{L}+]|\d[ -./,])\(?0[1-9]\d{0,4}\)?[ /-]{1,2}\d{2,8}(?: \d{2,8}){0,4}(?!\d|[-./,]\d)/gu;
const labelled = /(?<![\d\p{L}]|\d[.,])\(?\d(?:[ ()./-]{0,3}\d){5,16}(?!\d|[.,]\d)/gu;

/** Where a number with a trunk zero is looked for, when nothing else says what it is. */
const homes: readonly CountryCode[] = [
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

/** What is grouped like a number, and is none. */
const harmless =
  /[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?<![\d.])-?\d{1,3}\.\d{3,}\s*°?\s*[NSEW]?\s*,\s*-?\d{1,3}\.\d{3,}|(?<![\d:])\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?![\d:])|(?<![\d,])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])|\d{4} ?- ?\d{4} ?- ?\d{4}(?: ?- ?\d{4})?/giu;

/**
 * Telephone numbers: North American ones as they are written; others by country code, or by a trunk zero where they are
 * valid somewhere; and any others under a label.
 */
export function findPhones(scene: TextScan): void {
  for (const found of scene.left.matchAll(harmless)) scene.blank(found.index, found.index + found[0].length);
  each(scene, international, internationalLength);
  each(scene, northAmerican, (text, said, gap) => (isOther(said) && isDirect(gap) ? 0 : text.length));
  each(scene, trunk, (text, said) =>
    isOther(said) || said === "bank" ? 0 : said === "phone" || isValidSomewhere(text) ? text.length : 0,
  );
  if (scene.speaksOf("phone")) each(scene, labelled, (text, said) => (said === "phone" ? labelledLength(text) : 0));
}

function isOther(said: Meaning | undefined): boolean {
  return said === "other" || isOfThing(said);
}

/** @param lengthOf how much of what the pattern found is a number; 0 for nothing */
function each(
  scene: TextScan,
  pattern: RegExp,
  lengthOf: (text: string, said: Meaning | undefined, gap: string | undefined) => number,
): void {
  for (const found of scene.left.matchAll(pattern)) {
    const [text] = found;
    const { index } = found;
    if (scene.isGlued(index, "phone")) continue;
    const label = scene.labelOf({ index, end: index + text.length });
    const length = lengthOf(text, label?.meaning, label?.gap);
    if (length > 0) scene.take("phone", index, index + length + extensionAt(scene.left, index + length));
  }
}

const extension = /(?: ?[,;]? ?(?:x|ext\.?|extension|poste|durchwahl) ?| ?# ?)\d{1,6}(?![\d\p{L}])/iuy;

/** How long the extension behind a number is. */
function extensionAt(text: string, index: number): number {
  extension.lastIndex = index;
  return extension.exec(text)?.[0].length ?? 0;
}

/** A pattern takes as many groups as it can, the date behind the number among them: they are left out until it is valid. */
function internationalLength(text: string, said: Meaning | undefined): number {
  for (let left = text; digitsOf(left).length >= 7; left = withoutLastGroup(left)) {
    const number = parsePhoneNumberFromString(left.replace(/^(?:011|00)[ -]?/, "+").replace("(0)", ""));
    // Behind a plus sign the length is enough: ranges are opened faster than tables are updated.
    const isSaid = said === "phone" || (left.startsWith("+") && !/^\+\d{1,3}\.\d{3,}(?!\.)/.test(left));
    if (isSaid ? number?.isPossible() : number?.isValid()) return left.length;
  }
  return 0;
}

function withoutLastGroup(text: string): string {
  return text.slice(0, Math.max(0, text.search(/[ ()./-]+\d+$/)));
}

function isValidSomewhere(text: string): boolean {
  const digits = digitsOf(text).length;
  if (digits < 9 || digits > 12) return false;
  return homes.some((country) => parsePhoneNumberFromString(text, country)?.isValid());
}

/** Source: ITU-T E.164: at most 15 digits, of which up to three are the country's. */
function labelledLength(text: string): number {
  let left = text;
  while (digitsOf(left).length > 13) left = withoutLastGroup(left);
  return digitsOf(left).length >= 7 ? left.length : 0;
}
