import { isOfThing } from "./labels.ts";
import type { TextScan } from "./text-scan.ts";

/**
 * Area 000, 666 and 900 to 999, group 00 and serial 0000 were never given out; 9xx with some groups are taxpayer numbers.
 * Source: Social Security Administration, "Social Security Number Randomization"; IRS, "About Form W-7".
 */
const parted = /(?<!\d|\d[-.\u2013])(\d{3})( ?[-./] ?| {1,2})(\d{2})\2(\d{4})(?![-.]?\d)/g;
const labelled = /(?<!\d|\d[-.])(\d{3})[-. /]{0,3}(\d{2})[-. /]{0,3}(\d{4})(?![-.]?\d)/g;
const taxpayerGroup = /^(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])$/;

/**
 * Numbers written as the card prints them, but where the word before says that they are some thing's; and nine digits in
 * any form under a label that says so.
 */
export function findSsns(scene: TextScan): void {
  for (const [pattern, needsLabel] of [
    [parted, false],
    [labelled, true],
  ] as const) {
    for (const found of scene.left.matchAll(pattern)) {
      const [all, area = "", second = "", third = "", fourth] = found;
      const [group, serial] = needsLabel ? [second, third] : [third, fourth ?? ""];
      const place = { index: found.index, end: found.index + all.length };
      if (scene.isGlued(place.index, "ssn")) continue;
      const label = scene.labelOf(place);
      const said = label?.meaning;
      if (needsLabel ? said !== "ssn" : isOfThing(said) && isDirect(label?.gap)) continue;
      if (isGivenOut(area, group, serial, said === "ssn")) scene.take("ssn", place.index, place.end);
    }
  }
}

function isGivenOut(area: string, group: string, serial: string, isNamed: boolean): boolean {
  if (area === "000" || area === "666" || group === "00" || serial === "0000") return false;
  return area < "900" || (isNamed && taxpayerGroup.test(group));
}

/**
 * Nothing between a label and its number but what says "number". A field's name stands in no text: what has the form of
 * personal data is that, whatever its field is called.
 */
export function isDirect(gap: string | undefined): boolean {
  return gap !== undefined && /^(?:[\s:#=.-]|no|nr|num|number|id|is){0,12}$/i.test(gap);
}
