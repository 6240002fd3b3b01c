import { digitsOf, type TextScan } from "./text-scan.ts";

/** The form of a number that follows a document's label. */
interface Form {
  readonly kind: "passport" | "license" | "bank";
  readonly pattern: RegExp;
  readonly isValid: (number: string) => boolean;
}

const forms: readonly Form[] = [
  {
    // Source: ICAO Doc 9303, part 4: at most nine letters and digits.
    kind: "passport",
    pattern: /(?<![\p{L}\p{N}])(?=[A-Z\d]{6,9}(?![\p{L}\p{N}]))[A-Z]{0,3}\d[A-Z\d]*/gu,
    isValid: (number) => digitsOf(number).length >= 3,
  },
  {
    kind: "license",
    pattern: /(?<![\p{L}\p{N}])[A-Z\d]{1,16}(?:-[A-Z\d]{1,8}| \d{2,6}){0,4}(?![\p{L}\p{N}])/gu,
    isValid: (number) => number.replace(/[ -]/g, "").length <= 20 && number.length >= 5 && digitsOf(number).length >= 4,
  },
  {
    kind: "bank",
    pattern:
      /(?<![\p{L}\p{N}.,])\d{2}-\d{2}-\d{2}(?![\d-])|(?<![\p{L}\p{N}.,])\d(?:[ -]?\d){5,16}(?![\p{L}\d]|[.,-]\d)/gu,
    isValid: () => true,
  },
];

/** Words between a label and a number that show that it is another number: `passport expires 2026`. */
const otherSubject =
  /expir|issu|renew|fee|photo|office|valid|cost|takes|appl|balance|open(?:ed|s)|manager|team|holder/i;

/** Finds passport, driver's license and bank account numbers: any number of the right form after such a label. */
export function findDocuments(scan: TextScan): void {
  for (const { kind, pattern, isValid } of forms) {
    if (!scan.mentions(kind)) continue;
    for (const found of scan.remaining.matchAll(pattern)) {
      const [number] = found;
      if (!/\d/.test(number) || !isValid(number)) continue;
      const span = { index: found.index, end: found.index + number.length };
      const label = scan.labelOf(span);
      if (label?.meaning !== kind || otherSubject.test(label.gap ?? "")) continue;
      if (kind === "bank" && isInvalidRouting(scan, span.index, number)) continue;
      scan.addMatch(kind, span.index, span.end);
    }
  }
}

/** Returns true for an invalid number after a routing label. Source: ABA, Routing Number Policy: weights 3, 7, 1. */
function isInvalidRouting(scan: TextScan, index: number, number: string): boolean {
  if (!/(?:routing|aba|rtn)[^\d]{0,24}$/i.test(scan.text.slice(Math.max(0, index - 40), index))) return false;
  const digits = digitsOf(number);
  const sum = [...digits].reduce((total, digit, i) => total + Number(digit) * ([3, 7, 1][i % 3] as number), 0);
  return digits.length !== 9 || sum % 10 !== 0;
}
