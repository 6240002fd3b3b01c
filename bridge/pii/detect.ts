import { findDates } from "./birth-date.ts";
import { findCards } from "./credit-card.ts";
import { findEmails } from "./email.ts";
import type { DataKind, Finding } from "./finding.ts";
import { findIbans } from "./iban.ts";
import { findDocuments } from "./identity-document.ts";
import { findIps } from "./ip-address.ts";
import { isOfThing, meaningOfName } from "./labels.ts";
import { mask } from "./mask.ts";
import { decodeObfuscation, joinSpelledOut, maySpell, type NormalizedText, plainly } from "./normalize.ts";
import { findPhones } from "./phone.ts";
import { findSsns } from "./ssn.ts";
import { TextScan } from "./text-scan.ts";

/** Nothing shorter is found: `a@b.io`, `3/4/85`, `::1`. */
const shortest = 3;

/** What a text is made of: enough to see that nothing can be in it. */
interface Survey {
  readonly digits: number;
  readonly hasAt: boolean;
  /** Signs that may stand for others: beyond ASCII, or escapes. */
  readonly hasOdd: boolean;
  readonly hasColons: boolean;
  /** Besides digits there is at most one point, and a sign in front. */
  readonly isNumber: boolean;
  /** The longest run of letters, digits and the signs of base64. */
  readonly longestToken: number;
  readonly hasGap: boolean;
}

/** One way through the text: nearly all fields are short and plain, and leave here. */
function survey(text: string): Survey {
  let digits = 0;
  let points = 0;
  let others = 0;
  let colons = 0;
  let hasAt = false;
  let hasOdd = false;
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
    else if (code >= 0x7f || code === 0x26 || code === 0x25 || code === 0x5c) hasOdd = true;
    else if (code === 0x20 || code === 0x5b || code === 0x28 || code === 0x7b || code === 0x3c || code === 0x5f)
      hasGap = true;
    else if (code !== 0x2d || i > 0) others++;
  }
  if (token > longestToken) longestToken = token;
  const isNumber = digits > 0 && others + colons === 0 && points <= 1 && !(hasAt || hasOdd || hasGap);
  return { digits, hasAt, hasOdd, hasColons: colons > 1, isNumber, longestToken, hasGap };
}

/** Fewer digits are in none of the kinds that have any. */
const fewestDigits = 4;

/** Fewer signs of base64 hold nothing: `a@b.io`. */
const shortestToken = 12;

/** Tables of numbers write what is none as one, too: `123456789.0`. */
const wholeNumber = /^(\d+)\.0+$/;

/** What was measured or computed, and has up to 17 digits: `0.30000000000000004`, `1.2345678901234567e-7`. */
const measure = /^-?\d{1,11}\.\d+$|^-?\d(?:\.\d+)?e[+-]?\d{1,3}$/i;

const stamp = /^\d{4}-\d{2}-\d{2}(?:[T ][\d:.]{5,18}(?:Z|[+-]\d{2}:?\d{2})?)?$/;

/**
 * Finds personal data in one text, in order of place, without overlap. Every pattern is linear in the text's length.
 *
 * What stands in disguise is found too: full-width and other digits, exotic hyphens and spaces, signs without width,
 * escapes of HTML, URLs and JSON, `name (at) host (dot) com`, digits one by one or as words, and base64. Not beyond that:
 * other ciphers, letters that look like digits, pictures, and what is spread over several fields.
 *
 * @param name the field the text stands in: bare digits and dates are judged by it
 */
export function detect(text: string, name = ""): Finding[] {
  if (text.length < shortest) return [];
  const seen = survey(text);
  const whole = seen.isNumber ? wholeNumber.exec(text)?.[1] : undefined;
  if (whole !== undefined) return detect(whole, name);
  const meaning = seen.digits >= fewestDigits ? meaningOfName(name) : undefined;
  const isNamed = meaning !== undefined && meaning !== "other" && !isOfThing(meaning);
  // A number is a card, or what the field's name says; one that measures something is neither.
  if (seen.isNumber && !isNamed && (seen.digits < 13 || seen.digits > 19)) return [];
  if (seen.digits >= fewestDigits && !isNamed && measure.test(text)) return [];
  if (meaning !== "birthdate" && stamp.test(text)) return [];

  const maybeSpelled = (seen.hasGap || seen.hasOdd) && maySpell(text);
  const mayHold = seen.hasAt || seen.hasOdd || seen.hasColons || seen.digits >= fewestDigits || maybeSpelled;
  const findings = mayHold ? search(readingOf(text, seen, maybeSpelled), meaning) : [];
  if (seen.longestToken >= shortestToken && findings.length === 0) return encodedIn(text, name);
  return findings;
}

function readingOf(text: string, { hasOdd }: Survey, maybeSpelled: boolean): NormalizedText {
  const reading = hasOdd ? decodeObfuscation(text) : plainly(text);
  return maybeSpelled || (hasOdd && maySpell(reading.text)) ? joinSpelledOut(reading) : reading;
}

function search(reading: NormalizedText, field: ReturnType<typeof meaningOfName>): Finding[] {
  const scene = new TextScan(reading.text, field);
  if (reading.text.includes("@")) findEmails(scene);
  const digits = /\d/.test(reading.text);
  if (digits) {
    // In this order: a telephone number must not swallow the beginning of the card behind it.
    findIbans(scene);
    findCards(scene);
    findDates(scene);
    findIps(scene);
    findSsns(scene);
    findDocuments(scene);
    findPhones(scene);
  }
  propagateLabels(scene);
  return scene.spots
    .sort((a, b) => a.index - b.index)
    .map(({ kind, index, end }) => ({
      kind,
      text: reading.text.slice(index, end),
      index: reading.at(index),
      end: reading.at(end),
    }));
}

/** Letters and digits in one, long enough that they are not the same by chance. */
const bare = /[A-Za-z0-9]{8,}/g;

/** What a label has told of once is the same wherever it stands again without one. */
function propagateLabels(scene: TextScan): void {
  const known = new Map<string, DataKind>();
  for (const { kind, index, end } of scene.spots) known.set(scene.read.slice(index, end), kind);
  if (known.size === 0) return;
  for (const { 0: text, index } of scene.left.matchAll(bare)) {
    const kind = known.get(text);
    if (kind) scene.take(kind, index, index + text.length);
  }
}

const token = /[A-Za-z0-9+/_-]{12,}={0,2}/g;
/** Longer tokens are files. */
const longestToken = 4_096;

/** What a token of base64 says in plain ASCII. All of the token counts as found, and is hidden whole. */
function encodedIn(text: string, name: string): Finding[] {
  const findings: Finding[] = [];
  for (const found of text.matchAll(token)) {
    const [code] = found;
    if (code.length > longestToken || !/^[A-Za-f]/.test(code)) continue;
    const said = Buffer.from(code, "base64").toString("latin1");
    if (!/^[\x20-\x7e\r\n\t]+$/.test(said)) continue;
    for (const { kind } of detect(said, name).slice(0, 1)) {
      findings.push({ kind, text: said, index: found.index, end: found.index + code.length });
    }
  }
  return findings;
}

/** The text with what was found in it, of the given kinds or of any, replaced. */
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

/** The text with what was found masked; its form stays. */
export function maskText(text: string, kinds?: ReadonlySet<DataKind>, name = ""): string {
  return replaceFound(text, name, mask, kinds);
}
