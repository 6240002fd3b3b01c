import { findDates } from "./birth-date.ts";
import { findCards } from "./credit-card.ts";
import { findEmails } from "./email.ts";
import type { DataKind, Finding } from "./finding.ts";
import { findIbans } from "./iban.ts";
import { findDocuments } from "./identity-document.ts";
import { findIps } from "./ip-address.ts";
import { isNonPersonal, meaningOfName } from "./labels.ts";
import { mask } from "./mask.ts";
import { decodeObfuscation, fromPlainText, joinSpelledOut, maySpell, type NormalizedText } from "./normalize.ts";
import { findPhones } from "./phone.ts";
import { findSsns } from "./ssn.ts";
import { TextScan } from "./text-scan.ts";

/** Length of the shortest finding: `::1`. */
const shortest = 3;

/** Character counts of a text, from which most texts can be ruled out at once. */
interface Survey {
  readonly digits: number;
  readonly hasAt: boolean;
  /** True if characters may need decoding: beyond ASCII, or the first character of an escape. */
  readonly hasEncoded: boolean;
  /** True for two colons or more. */
  readonly hasColons: boolean;
  /** True if the text has only digits, at most one decimal point and a leading minus. */
  readonly isNumber: boolean;
  /** Length of the longest run of letters, digits and other base64 characters. */
  readonly longestToken: number;
  readonly hasGap: boolean;
}

/** Counts a text's characters in one pass. Nearly all fields are short and plain, and need no further search. */
function survey(text: string): Survey {
  let digits = 0;
  let points = 0;
  let others = 0;
  let colons = 0;
  let hasAt = false;
  let hasEncoded = false;
  let hasGap = false;
  let token = 0;
  let longestToken = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x30 && code <= 0x39) {
      digits++;
      token++;
      continue;
    }
    const isLetter = (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a && code < 0x7b;
    if (isLetter || code === 0x2b || code === 0x2f || code === 0x3d || code === 0x5f || code === 0x2d) token++;
    else {
      if (token > longestToken) longestToken = token;
      token = 0;
    }
    if (isLetter) others++;
    else if (code === 0x2e) points++;
    else if (code === 0x40) hasAt = true;
    else if (code === 0x3a) colons++;
    else if (code >= 0x7f || code === 0x26 || code === 0x25 || code === 0x5c) hasEncoded = true;
    else if (code === 0x20 || code === 0x5b || code === 0x28 || code === 0x7b || code === 0x3c || code === 0x5f)
      hasGap = true;
    else if (code !== 0x2d || i > 0) others++;
  }
  if (token > longestToken) longestToken = token;
  const isNumber = digits > 0 && others + colons === 0 && points <= 1 && !(hasAt || hasEncoded || hasGap);
  return { digits, hasAt, hasEncoded, hasColons: colons > 1, isNumber, longestToken, hasGap };
}

/** Fewest digits in any kind of data that has digits. */
const fewestDigits = 4;

/** Fewest base64 characters that can encode a finding. */
const shortestToken = 12;

/** An identifier that a spreadsheet wrote as a decimal number: `123456789.0`. */
const wholeNumber = /^(\d+)\.0+$/;

/** A measured or computed number, which has up to 17 digits: `0.30000000000000004`, `1.2345678901234567e-7`. */
const measure = /^-?\d{1,11}\.\d+$|^-?\d(?:\.\d+)?e[+-]?\d{1,3}$/i;

const timestamp = /^\d{4}-\d{2}-\d{2}(?:[T ][\d:.]{5,18}(?:Z|[+-]\d{2}:?\d{2})?)?$/;

/**
 * Finds personal data in one text. Findings are ordered by position and do not overlap.
 *
 * Also finds obfuscated data: full-width digits and digits of other scripts, unusual hyphens and spaces, zero-width
 * characters, escapes of HTML, URLs and JSON, `name (at) host (dot) com`, digits one by one or as words, and base64.
 * Does not find other ciphers, letters that look like digits, data in images, or data spread over several fields.
 *
 * The time is linear in the text's length.
 *
 * @param name the name of the field, which determines the meaning of digits and dates without a label
 */
export function detect(text: string, name = ""): Finding[] {
  if (text.length < shortest) return [];
  const seen = survey(text);
  const whole = seen.isNumber ? wholeNumber.exec(text)?.[1] : undefined;
  if (whole !== undefined) return detect(whole, name);
  const meaning = seen.digits >= fewestDigits ? meaningOfName(name) : undefined;
  const isNamed = meaning !== undefined && meaning !== "other" && !isNonPersonal(meaning);
  // A plain number is a card number or what the field's name says. A measured value is neither.
  if (seen.isNumber && !isNamed && (seen.digits < 13 || seen.digits > 19)) return [];
  if (seen.digits >= fewestDigits && !isNamed && measure.test(text)) return [];
  if (meaning !== "birthdate" && timestamp.test(text)) return [];

  const maybeSpelled = (seen.hasGap || seen.hasEncoded) && maySpell(text);
  const mayHold = seen.hasAt || seen.hasEncoded || seen.hasColons || seen.digits >= fewestDigits || maybeSpelled;
  const findings = mayHold ? search(normalize(text, seen, maybeSpelled), meaning) : [];
  if (seen.longestToken >= shortestToken && findings.length === 0) return encodedIn(text, name);
  return findings;
}

function normalize(text: string, { hasEncoded }: Survey, maybeSpelled: boolean): NormalizedText {
  const normalized = hasEncoded ? decodeObfuscation(text) : fromPlainText(text);
  return maybeSpelled || (hasEncoded && maySpell(normalized.text)) ? joinSpelledOut(normalized) : normalized;
}

function search(normalized: NormalizedText, field: ReturnType<typeof meaningOfName>): Finding[] {
  const scan = new TextScan(normalized.text, field);
  if (normalized.text.includes("@")) findEmails(scan);
  const digits = /\d/.test(normalized.text);
  if (digits) {
    // The order matters: a telephone number must not take the first digits of a card number after it.
    findIbans(scan);
    findCards(scan);
    findDates(scan);
    findIps(scan);
    findSsns(scan);
    findDocuments(scan);
    findPhones(scan);
  }
  propagateLabels(scan);
  return scan.matches
    .sort((a, b) => a.index - b.index)
    .map(({ kind, index, end }) => ({
      kind,
      text: normalized.text.slice(index, end),
      index: normalized.at(index),
      end: normalized.at(end),
    }));
}

/** A run of letters and digits that is too long to repeat by chance. */
const repeatable = /[A-Za-z0-9]{8,}/g;

/** Adds a match for each unlabeled repetition of a value that was found once. */
function propagateLabels(scan: TextScan): void {
  const known = new Map<string, DataKind>();
  for (const { kind, index, end } of scan.matches) known.set(scan.text.slice(index, end), kind);
  if (known.size === 0) return;
  for (const { 0: text, index } of scan.remaining.matchAll(repeatable)) {
    const kind = known.get(text);
    if (kind) scan.addMatch(kind, index, index + text.length);
  }
}

const token = /[A-Za-z0-9+/_-]{12,}={0,2}/g;
/** Longer tokens are encoded files and are skipped. */
const longestToken = 4_096;

/** Finds personal data in base64 tokens that decode to ASCII text. Each finding covers its whole token. */
function encodedIn(text: string, name: string): Finding[] {
  const findings: Finding[] = [];
  for (const found of text.matchAll(token)) {
    const [code] = found;
    if (code.length > longestToken || !/^[A-Za-f]/.test(code)) continue;
    const decoded = Buffer.from(code, "base64").toString("latin1");
    if (!/^[\x20-\x7e\r\n\t]+$/.test(decoded)) continue;
    for (const { kind } of detect(decoded, name).slice(0, 1)) {
      findings.push({ kind, text: decoded, index: found.index, end: found.index + code.length });
    }
  }
  return findings;
}

/**
 * Replaces each finding in a text.
 *
 * @param kinds the kinds to replace; if omitted, all kinds
 */
export function replaceFound(
  text: string,
  name: string,
  replace: (found: Finding) => string,
  kinds?: ReadonlySet<DataKind>,
): string {
  let replaced = "";
  let done = 0;
  for (const found of detect(text, name)) {
    if (kinds && !kinds.has(found.kind)) continue;
    replaced += text.slice(done, found.index) + replace(found);
    done = found.end;
  }
  return replaced + text.slice(done);
}

/** Masks each finding in a text. Masks keep the form of the data. */
export function maskText(text: string, kinds?: ReadonlySet<DataKind>, name = ""): string {
  return replaceFound(text, name, mask, kinds);
}
