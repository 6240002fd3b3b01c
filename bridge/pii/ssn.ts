import { isNonPersonal } from "./labels.ts";
import type { TextScan } from "./text-scan.ts";

const separated = /(?<!\d|\d[-.\u2013])(\d{3})( ?[-./] ?| {1,2})(\d{2})\2(\d{4})(?![-.]?\d)/g;
const labeled = /(?<!\d|\d[-.])(\d{3})[-. /]{0,3}(\d{2})[-. /]{0,3}(\d{4})(?![-.]?\d)/g;
const taxpayerGroup = /^(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])$/;

/**
 * Finds Social Security numbers (SSN) and taxpayer numbers (ITIN).
 *
 * A number in the printed form `123-45-6789` counts unless the label directly before it names a non-personal number.
 * Nine digits in any other form count only under an SSN label.
 */
export function findSsns(scan: TextScan): void {
  for (const [pattern, needsLabel] of [
    [separated, false],
    [labeled, true],
  ] as const) {
    for (const found of scan.remaining.matchAll(pattern)) {
      const [all, area = "", second = "", third = "", fourth] = found;
      const [group, serial] = needsLabel ? [second, third] : [third, fourth ?? ""];
      const span = { index: found.index, end: found.index + all.length };
      if (scan.isInsideWord(span.index, "ssn")) continue;
      const label = scan.labelOf(span);
      const meaning = label?.meaning;
      if (needsLabel ? meaning !== "ssn" : isNonPersonal(meaning) && isDirect(label?.gap)) continue;
      if (isIssued(area, group, serial, meaning === "ssn")) scan.addMatch("ssn", span.index, span.end);
    }
  }
}

/**
 * Returns false for numbers that are never issued: area 000, 666 or 900 to 999, group 00, serial 0000. An area from 900
 * is accepted as an ITIN if the number has an SSN label and the group is one of an ITIN.
 *
 * Source: Social Security Administration, "Social Security Number Randomization"; IRS, "About Form W-7".
 */
function isIssued(area: string, group: string, serial: string, isNamed: boolean): boolean {
  if (area === "000" || area === "666" || group === "00" || serial === "0000") return false;
  return area < "900" || (isNamed && taxpayerGroup.test(group));
}

/**
 * Returns true if only words such as "number" or "no" are between a label and its number.
 *
 * A meaning that comes from the field's name has no gap and is never direct, so a number in the form of personal data
 * counts as personal whatever its field is called.
 */
export function isDirect(gap: string | undefined): boolean {
  return gap !== undefined && /^(?:[\s:#=.-]|no|nr|num|number|id|is){0,12}$/i.test(gap);
}
