import { digitsOf, type TextScan } from "./text-scan.ts";

/** What a label of a document has behind it: a number, and words that say it is none. */
interface Form {
  readonly kind: "passport" | "license" | "bank";
  readonly pattern: RegExp;
  readonly holds: (number: string) => boolean;
}

const forms: readonly Form[] = [
  {
    // Source: ICAO Doc 9303, part 4: at most nine letters and digits.
    kind: "passport",
    pattern: /(?<![\p{L}\p{N}])(?=[A-Z\d]{6,9}(?![\p{L}\p{N}]))[A-Z]{0,3}\d[A-Z\d]*/gu,
    holds: (number) => digitsOf(number).length >= 3,
  },
  {
    kind: "license",
    pattern: /(?<![\p{L}\p{N}])[A-Z\d]{1,16}(?:-[A-Z\d]{1,8}| \d{2,6}){0,4}(?![\p{L}\p{N}])/gu,
    holds: (number) => number.replace(/[ -]/g, "").length <= 20 && number.length >= 5 && digitsOf(number).length >= 4,
  },
  {
    kind: "bank",
    pattern:
      /(?<![\p{L}\p{N}.,])\d{2}-\d{2}-\d{2}(?![\d-])|(?<![\p{L}\p{N}.,])\d(?:[ -]?\d){5,16}(?![\p{L}\d]|[.,-]\d)/gu,
    holds: () => true,
  },
];

const notYet = /expir|issu|renew|fee|photo|office|valid|cost|takes|appl|balance|open(?:ed|s)|manager|team|holder/i;

/** Numbers of passports, driver's licences and bank accounts: anything of the right form behind a label that says so. */
export function findDocuments(scene: TextScan): void {
  for (const { kind, pattern, holds } of forms) {
    if (!scene.speaksOf(kind)) continue;
    for (const found of scene.left.matchAll(pattern)) {
      const [number] = found;
      if (!/\d/.test(number) || !holds(number)) continue;
      const place = { index: found.index, end: found.index + number.length };
      const label = scene.labelOf(place);
      if (label?.meaning !== kind || notYet.test(label.gap ?? "")) continue;
      if (kind === "bank" && isNoRouting(scene, place.index, number)) continue;
      scene.take(kind, place.index, place.end);
    }
  }
}

/** Nine digits behind `routing` have a check digit. Source: ABA, Routing Number Policy: weights 3, 7, 1. */
function isNoRouting(scene: TextScan, index: number, number: string): boolean {
  if (!/(?:routing|aba|rtn)[^\d]{0,24}$/i.test(scene.read.slice(Math.max(0, index - 40), index))) return false;
  const digits = digitsOf(number);
  const sum = [...digits].reduce((total, digit, i) => total + Number(digit) * ([3, 7, 1][i % 3] as number), 0);
  return digits.length !== 9 || sum % 10 !== 0;
}
