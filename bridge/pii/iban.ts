import type { TextScan } from "./text-scan.ts";

/** Lengths by country. Source: SWIFT, IBAN Registry, release 99. */
const lengths = new Map(
  (
    "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27GB22" +
    "GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20" +
    "MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26" +
    "UA29VA22VG24XK20YE30"
  )
    .match(/[A-Z]{2}\d{2}/g)
    ?.map((entry) => [entry.slice(0, 2), Number(entry.slice(2))] as const),
);

const prefix = /[a-z]{2}[ -]?\d{2}(?=[ -]?[a-z0-9])/gi;

/** Finds IBANs with the length of their country and valid check digits. */
export function findIbans(scan: TextScan): void {
  const { text } = scan;
  prefix.lastIndex = 0;
  for (let found = prefix.exec(text); found; found = prefix.exec(text)) {
    const { index } = found;
    prefix.lastIndex = index + 1;
    const length = lengths.get(found[0].slice(0, 2).toUpperCase());
    if (length === undefined || isInsideWord(text, index)) continue;
    const end = endOf(text, index, length);
    if (end === undefined || !isIban(text.slice(index, end))) continue;
    scan.addMatch("iban", index, end);
    prefix.lastIndex = end;
  }
}

function isInsideWord(text: string, index: number): boolean {
  return /[\p{L}\p{N}]/u.test(text[index - 1] ?? "") && !/iban$/i.test(text.slice(Math.max(0, index - 4), index));
}

/** Returns the index after `length` letters and digits. A single separator is allowed between two of them. */
function endOf(text: string, index: number, length: number): number | undefined {
  let i = index;
  for (let taken = 0; taken < length; i++) {
    const char = text[i] ?? "";
    if (/[a-z0-9]/i.test(char)) taken++;
    else if (!/[ .-]/.test(char) || !/[a-z0-9]/i.test(text[i - 1] ?? "")) return undefined;
  }
  return /[\p{L}\p{N}]/u.test(text[i] ?? "") ? undefined : i;
}

/**
 * Checks an IBAN's length and check digits. Spaces, dots and hyphens are ignored.
 *
 * Source: ISO 13616-1 and ISO/IEC 7064 mod 97-10; the first four characters are read last.
 */
export function isIban(text: string): boolean {
  const iban = text.replace(/[ .-]/g, "").toUpperCase();
  if (iban.length !== lengths.get(iban.slice(0, 2))) return false;
  let rest = 0;
  for (let i = 0; i < iban.length; i++) {
    const value = Number.parseInt(iban[(i + 4) % iban.length] as string, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}
