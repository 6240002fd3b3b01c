/** Kinds of personal data the detectors know. */
export const dataKinds = ["ssn", "email", "phone", "card", "iban"] as const;
export type DataKind = (typeof dataKinds)[number];

interface Detector {
  readonly kind: DataKind;
  readonly pattern: RegExp;
  /** Arithmetic the pattern cannot state. */
  readonly holds?: (found: string) => boolean;
  readonly mask: (found: string) => string;
}

/** Nothing shorter is found: `a@b.io`. */
const shortest = 6;

const digitsOf = (text: string) => text.replace(/\D/g, "");

/** Keeps the last `kept` digits and the form, so that a target that validates the form still takes it. */
function maskDigits(text: string, kept: number): string {
  let left = digitsOf(text).length - kept;
  return text.replace(/\d/g, (digit) => (left-- > 0 ? "*" : digit));
}

/** Beginnings and lengths of Visa, Mastercard, American Express, Diners, JCB, Maestro, Discover and UnionPay numbers. */
const cardForm =
  /^(?:4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|35\d{14,17}|(?:6\d|5[0678])\d{11,17})$/;

/** Every pattern is linear: no nested or overlapping repeats. */
const detectors: readonly Detector[] = [
  {
    kind: "email",
    pattern: /[\p{L}\p{N}._%+'-]{1,64}@(?:[\p{L}\p{N}-]{1,63}\.){1,8}[\p{L}]{2,24}/gu,
    mask: (found) => `${found[0]}***@${found.slice(found.indexOf("@") + 1)}`,
  },
  {
    kind: "iban",
    pattern: /\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?\b/gi,
    holds: isIban,
    mask: (found) => `${found.slice(0, 4)}${found.slice(4, -4).replace(/[A-Z0-9]/gi, "*")}${found.slice(-4)}`,
  },
  {
    kind: "card",
    pattern: /(?<![\d.])\d(?:[ -]?\d){12,18}(?!\d)/g,
    holds: (found) => cardForm.test(digitsOf(found)) && passesLuhn(digitsOf(found)),
    mask: (found) => maskDigits(found, 4),
  },
  {
    // Area 000, 666 and 900 to 999, group 00 and serial 0000 were never given out.
    // Source: Social Security Administration, "Social Security Number Randomization".
    kind: "ssn",
    pattern: /(?<![\d-])(?!000|666|9\d\d)\d{3}([- .])(?!00)\d{2}\1(?!0000)\d{4}(?![\d-])/g,
    mask: (found) => maskDigits(found, 4),
  },
  {
    kind: "phone",
    pattern:
      /(?<![\d.-])(?:\+\d{1,3}[ .-]?)?(?:\(\d{2,4}\)|\d{2,4})(?:[ .-]\d{2,4}){2,4}(?![\d-])|\+\d{1,3}(?:[ .-]\d{1,8}){1,5}(?!\d)|\+\d{8,15}(?!\d)/g,
    holds: isPhone,
    mask: (found) => maskDigits(found, 4),
  },
];

/** Bare digits are an SSN or a card only where the field's own name says so; else every amount would be one. */
const bareNumber: readonly { kind: DataKind; name: RegExp; value: RegExp }[] = [
  { kind: "ssn", name: /ssn|social.?security|sozial|tax.?(?:payer)?.?id|\btin\b/i, value: /^\d{9}$/ },
  { kind: "phone", name: /phone|mobile|cell|\bfax\b|\btel\b/i, value: /^\d{7,15}$/ },
];

export interface Finding {
  readonly kind: DataKind;
  readonly text: string;
  readonly index: number;
}

/**
 * Finds personal data in one text, in order of place, without overlap.
 *
 * Digits of other scripts and exotic hyphens and spaces are read as their plain forms first; the text's length is kept.
 *
 * @param name the field the text stands in: bare digits are judged by it
 */
export function detect(text: string, name = ""): Finding[] {
  if (text.length < shortest) return [];
  const plain = plainForm(text);
  const findings: Finding[] = [];
  for (const { kind, name: names, value } of bareNumber) {
    if (names.test(name) && value.test(plain.trim())) return [{ kind, text: plain, index: 0 }];
  }
  // What one kind has is gone for the next: a telephone number must not swallow the beginning of the SSN behind it.
  let left = plain;
  for (const detector of detectors) {
    const found = [...findingsOf(detector, left)];
    findings.push(...found);
    left = blanked(left, found);
  }
  return findings.sort((a, b) => a.index - b.index);
}

/**
 * A pattern takes as many groups of digits as it can: the code behind a card's number, or the date behind a
 * telephone's, are among them. So groups are left out from the end until what is left holds.
 */
function* findingsOf({ kind, pattern, holds = () => true }: Detector, plain: string): Generator<Finding> {
  pattern.lastIndex = 0;
  for (let found = pattern.exec(plain); found; found = pattern.exec(plain)) {
    const { index } = found;
    let [text] = found;
    while (text !== "" && !holds(text)) text = text.slice(0, Math.max(0, text.search(/[ .-][^ .-]*$/)));
    if (text !== "") yield { kind, text, index };
    pattern.lastIndex = index + Math.max(1, text.length);
  }
}

/** The text, as long as before, without what was found in it. */
function blanked(text: string, found: readonly Finding[]): string {
  if (found.length === 0) return text;
  let rest = "";
  let done = 0;
  for (const { index, text: taken } of found) {
    rest += text.slice(done, index) + "\0".repeat(taken.length);
    done = index + taken.length;
  }
  return rest + text.slice(done);
}

/** The text with the findings of the given kinds masked; form and last characters stay. */
export function maskText(text: string, kinds: ReadonlySet<DataKind>, name = ""): string {
  let masked = "";
  let done = 0;
  for (const { kind, text: found, index } of detect(text, name)) {
    if (!kinds.has(kind)) continue;
    const detector = detectors.find((candidate) => candidate.kind === kind) as Detector;
    masked += text.slice(done, index) + detector.mask(found);
    done = index + found.length;
  }
  return masked + text.slice(done);
}

/** One UTF-16 unit stays one unit, so that a finding's place is right in the original too. */
function plainForm(text: string): string {
  if (!/\P{ASCII}/u.test(text)) return text;
  return text.replace(/\P{ASCII}/gu, (unit) => {
    if (unit.length > 1) return unit;
    if (/[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]/.test(unit)) return "-";
    if (/[\u00a0\u2000-\u200a\u202f\u205f\u3000]/.test(unit)) return " ";
    const folded = unit.normalize("NFKC");
    if (folded.length === 1 && /[\x21-\x7e]/.test(folded)) return folded;
    if (/\p{Nd}/u.test(unit)) return String(digitValue(unit));
    return unit;
  });
}

/** Decimal digits stand in runs of ten in Unicode, each run beginning at its zero. */
function digitValue(unit: string): number {
  let value = 0;
  for (let code = unit.charCodeAt(0) - 1; value < 9 && /\p{Nd}/u.test(String.fromCharCode(code)); code--) value++;
  return value;
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

/** Source: ISO 13616-1, check digits by ISO/IEC 7064 mod 97-10. */
export function isIban(text: string): boolean {
  const iban = text.replace(/[ -]/g, "").toUpperCase();
  if (iban.length < 15 || iban.length > 34) return false;
  let rest = 0;
  for (const char of iban.slice(4) + iban.slice(0, 4)) {
    const value = char >= "A" ? String(char.charCodeAt(0) - 55) : char;
    for (const digit of value) rest = (rest * 10 + Number(digit)) % 97;
  }
  return rest === 1;
}

function isPhone(text: string): boolean {
  const digits = digitsOf(text);
  if (digits.length < 8 || digits.length > 15) return false;
  if (isDate(text)) return false;
  // Without a country code only the North American form counts: ten digits, area and exchange from 2 to 9.
  return text.startsWith("+") || /^1?[2-9]\d{2}[2-9]\d{6}$/.test(digits);
}

function isDate(text: string): boolean {
  return /^\d{4}[ .-]\d{2}[ .-]\d{2}/.test(text) || /^\d{2}[ .-]\d{2}[ .-]\d{4}/.test(text);
}
