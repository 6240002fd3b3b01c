import { isOfThing } from "./labels.ts";
import type { TextScan } from "./text-scan.ts";

/** Beginnings and lengths of Visa, Mastercard, American Express, Diners, JCB, Maestro, Discover and UnionPay numbers. */
const form =
  /^(?:(?:2131|1800)\d{11}|4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|35\d{14,17}|(?:6\d|5[0678])\d{11,17})$/;

/** Longer runs are taken in parts. */
const longestRun = 61;
const run = /(?<!\d|\d[.,])\d(?:[ ._/-]{0,3}\d){11,60}/g;
/** Of those whose issuer is not known, only under a label. Source: ISO/IEC 7812-1. */
const shortest = 12;
const longest = 19;

/** As cards print them: by fours, American Express and Diners 4-6-5 and 4-6-4; or in one. */
const grouping = /^(?:\d+|(?:4,){3}[1-4]|(?:4,){4}[1-3]|4,6,[45])$/;

/**
 * Numbers that begin and end as an issuer's do, and whose check digit is right.
 *
 * A run of digits may hold more than the card: what stands before it, the date behind it. So any of its groups may begin
 * and end the number.
 */
export function findCards(scene: TextScan): void {
  const { left } = scene;
  // Without the word, only what is grouped as cards print it: nothing that begins with fewer than four digits.
  const fewest = scene.speaksOf("card") ? 1 : 4;
  run.lastIndex = 0;
  for (let found = run.exec(left); found; found = run.exec(left)) {
    const groups = [...found[0].matchAll(/\d+/g)].map(({ 0: digits, index }) => ({
      digits,
      index: found.index + index,
      end: found.index + index + digits.length,
    }));
    run.lastIndex = nextPart(groups) ?? found.index + found[0].length;
    let past = 0;
    for (let first = 0; first < groups.length; first++) {
      const isBeginning = first >= past && (groups[first] as Group).digits.length >= fewest;
      const last = isBeginning ? lastOf(scene, groups, first) : undefined;
      if (last === undefined) continue;
      const end = (groups[last] as Group).end;
      scene.take("card", (groups[first] as Group).index, end);
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

/** Of a run that goes on, where the next part begins: with the first group a card may begin with that is cut off here. */
function nextPart(groups: readonly Group[]): number | undefined {
  let digits = groups.reduce((sum, group) => sum + group.digits.length, 0);
  if (digits < longestRun) return undefined;
  return groups.find((group, i) => {
    digits -= group.digits.length;
    return i > 0 && digits + group.digits.length < longest;
  })?.index;
}

/** The group a card's number that begins with one ends with. */
function lastOf(scene: TextScan, groups: readonly Group[], first: number): number | undefined {
  let digits = "";
  let labelled: number | undefined;
  const sizes: number[] = [];
  for (let last = first; last < groups.length; last++) {
    const group = groups[last] as Group;
    digits += group.digits;
    sizes.push(group.digits.length);
    if (digits.length > longest) break;
    if (digits.length < shortest || !passesLuhn(digits)) continue;
    const [index, { end }] = [(groups[first] as Group).index, group];
    const isFraction = first === last && /\d[.,]$/.test(scene.read.slice(Math.max(0, index - 2), index));
    if (isFraction || /^[.,]\d/.test(scene.read.slice(end, end + 2)) || scene.isGlued(index, "card")) continue;
    const said = scene.labelOf({ index, end })?.meaning;
    const isPrinted = grouping.test(sizes.length === 1 ? "0" : sizes.join());
    // Thirteen digits are an article's number (EAN) as often as an old card's.
    const isIssued = form.test(digits) && (digits.length > 13 || said === "card");
    if (isIssued && (said === "card" || (isPrinted && (sizes.length > 1 || !isOfThing(said))))) return last;
    const isAll = sizes.length === 1 || last === groups.length - 1;
    if (said === "card" && isAll) labelled = last;
  }
  return labelled;
}

/** Source: ISO/IEC 7812-1, annex B. */
export function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    let digit = digits.charCodeAt(digits.length - 1 - i) - 48;
    if (i % 2 === 1) digit = digit > 4 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum % 10 === 0 && !/^0*$/.test(digits);
}
