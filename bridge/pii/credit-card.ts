import { isNonPersonal } from "./labels.ts";
import type { TextScan } from "./text-scan.ts";

/** Prefixes and lengths of Visa, Mastercard, American Express, Diners, JCB, Maestro, Discover and UnionPay numbers. */
const form =
  /^(?:(?:2131|1800)\d{11}|4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|35\d{14,17}|(?:6\d|5[0678])\d{11,17})$/;

/** Longest run of digits that one match covers. Longer runs are searched in parts. */
const longestRun = 61;
const run = /(?<!\d|\d[.,])\d(?:[ ._/-]{0,3}\d){11,60}/g;
// Lengths of a card number. A number with an unknown issuer counts only under a label. Source: ISO/IEC 7812-1.
const shortest = 12;
const longest = 19;

/** Digit groups as printed on cards: groups of four, 4-6-5 (American Express), 4-6-4 (Diners), or one group. */
const grouping = /^(?:\d+|(?:4,){3}[1-4]|(?:4,){4}[1-3]|4,6,[45])$/;

/**
 * Finds card numbers with an issuer's prefix and length and a valid check digit.
 *
 * A run of digits can hold other numbers before or after the card number, such as an expiry date. The card number can
 * therefore begin and end at any group of the run.
 */
export function findCards(scan: TextScan): void {
  const { remaining } = scan;
  // Without a card label, the first group must have at least four digits, as on a printed card.
  const fewest = scan.mentions("card") ? 1 : 4;
  run.lastIndex = 0;
  for (let found = run.exec(remaining); found; found = run.exec(remaining)) {
    const groups = [...found[0].matchAll(/\d+/g)].map(({ 0: digits, index }) => ({
      digits,
      index: found.index + index,
      end: found.index + index + digits.length,
    }));
    run.lastIndex = nextPart(groups) ?? found.index + found[0].length;
    let past = 0;
    for (let first = 0; first < groups.length; first++) {
      const isBeginning = first >= past && (groups[first] as Group).digits.length >= fewest;
      const last = isBeginning ? lastOf(scan, groups, first) : undefined;
      if (last === undefined) continue;
      const end = (groups[last] as Group).end;
      scan.addMatch("card", (groups[first] as Group).index, end);
      past = last + 1;
      run.lastIndex = end;
    }
  }
}

interface Group {
  readonly digits: string;
  readonly index: number;
  readonly end: number;
}

/** Returns the start of the next part of a long run: the first group at which a card number would be cut off. */
function nextPart(groups: readonly Group[]): number | undefined {
  let digits = groups.reduce((sum, group) => sum + group.digits.length, 0);
  if (digits < longestRun) return undefined;
  return groups.find((group, i) => {
    digits -= group.digits.length;
    return i > 0 && digits + group.digits.length < longest;
  })?.index;
}

/** Returns the index of the last group of a card number that begins with group `first`. */
function lastOf(scan: TextScan, groups: readonly Group[], first: number): number | undefined {
  let digits = "";
  let labeled: number | undefined;
  const sizes: number[] = [];
  for (let last = first; last < groups.length; last++) {
    const group = groups[last] as Group;
    digits += group.digits;
    sizes.push(group.digits.length);
    if (digits.length > longest) break;
    if (digits.length < shortest || !passesLuhn(digits)) continue;
    const [index, { end }] = [(groups[first] as Group).index, group];
    const isFraction = first === last && /\d[.,]$/.test(scan.text.slice(Math.max(0, index - 2), index));
    if (isFraction || /^[.,]\d/.test(scan.text.slice(end, end + 2)) || scan.isInsideWord(index, "card")) continue;
    const meaning = scan.labelOf({ index, end })?.meaning;
    const isPrinted = grouping.test(sizes.length === 1 ? "0" : sizes.join());
    // A 13-digit number is as often a product number (EAN) as an old card number.
    const isIssued = form.test(digits) && (digits.length > 13 || meaning === "card");
    if (isIssued && (meaning === "card" || (isPrinted && (sizes.length > 1 || !isNonPersonal(meaning))))) return last;
    const isAll = sizes.length === 1 || last === groups.length - 1;
    if (meaning === "card" && isAll) labeled = last;
  }
  return labeled;
}

/** Checks the Luhn check digit. A number of zeros only is invalid. Source: ISO/IEC 7812-1, annex B. */
export function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    let digit = digits.charCodeAt(digits.length - 1 - i) - 48;
    if (i % 2 === 1) digit = digit > 4 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum % 10 === 0 && !/^0*$/.test(digits);
}
