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

const beginning = /[a-z]{2}[ -]?\d{2}(?=[ -]?[a-z0-9])/gi;

/** Account numbers of the right length for their country, whose check digits are right. */
export function findIbans(scene: TextScan): void {
  const { read } = scene;
  beginning.lastIndex = 0;
  for (let found = beginning.exec(read); found; found = beginning.exec(read)) {
    const { index } = found;
    beginning.lastIndex = index + 1;
    const length = lengths.get(found[0].slice(0, 2).toUpperCase());
    if (length === undefined || isInsideWord(read, index)) continue;
    const end = endOf(read, index, length);
    if (end === undefined || !isIban(read.slice(index, end))) continue;
    scene.take("iban", index, end);
    beginning.lastIndex = end;
  }
}

function isInsideWord(read: string, index: number): boolean {
  return /[\p{L}\p{N}]/u.test(read[index - 1] ?? "") && !/iban$/i.test(read.slice(Math.max(0, index - 4), index));
}

/** Where so many letters and digits end, between which one sign may stand. */
function endOf(read: string, index: number, length: number): number | undefined {
  let i = index;
  for (let taken = 0; taken < length; i++) {
    const sign = read[i] ?? "";
    if (/[a-z0-9]/i.test(sign)) taken++;
    else if (!/[ .-]/.test(sign) || !/[a-z0-9]/i.test(read[i - 1] ?? "")) return undefined;
  }
  return /[\p{L}\p{N}]/u.test(read[i] ?? "") ? undefined : i;
}

/** Source: ISO 13616-1, check digits by ISO/IEC 7064 mod 97-10: country and check digits count last. */
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
