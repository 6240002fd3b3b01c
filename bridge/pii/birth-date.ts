import type { TextScan } from "./text-scan.ts";

/** Month names by their first letters, in the languages of the labels. */
const month =
  "(?:jan|feb|f[ée]v|mar|m[äa]r|mrt|apr|avr|abr|may|ma[ijg]|mei|jun|jui|giu|jul|lug|aug|ao[uû]|ago|sep|set|okt|oct|ott|out|nov|dec|dez|d[ée]c|dic|des|ene|gen)[\\p{L}]{0,7}\\.?";
const ordinal = "(?:st|nd|rd|th|er|º|\\.)?";

const forms = [
  // 1985-03-04, with its time
  "(?<y1>\\d{4})(?<s1>[-/.])(?<m1>\\d{1,2})\\k<s1>(?<d1>\\d{1,2})(?:[T ]\\d{2}:\\d{2}(?::\\d{2}(?:\\.\\d{1,9})?)?(?: ?Z|[+-]\\d{2}:?\\d{2})?)?",
  // 04.03.1985, 3/4/85, 03 - 04 - 1985
  "(?<a2>\\d{1,2})(?<s2> ?[-/.] ?)(?<b2>\\d{1,2})\\k<s2>(?<y2>\\d{4}|\\d{2})",
  // 4th of March 1985, 04-Mar-85
  `\\d{1,2}${ordinal}[ -]{0,2}(?:of |de )?${month},?[ -]{0,2}(?:de |del )?(?:\\d{4}|'?\\d{2})`,
  // March 4th, 1985
  `${month}[ -]?\\d{1,2}${ordinal},? {0,2}(?:\\d{4}|'\\d{2})`,
  // 1985年3月4日
  "\\d{4} ?年 ?\\d{1,2} ?月 ?\\d{1,2} ?日",
];

const written = new RegExp(`(?<![\\p{L}\\d]|\\d[-/.])(?:${forms.join("|")})(?![\\d]|[-/]\\d|\\.\\d)`, "giu");
const digitsOnly =
  /(?<![\p{L}\d.,-])(?:(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|[12]\d|3[01])(?:19|20)\d{2})(?![\d.,])/gu;

/** Words between a label and a date that show that it is another date: `DOB verified 2026-02-01`. */
const occasion =
  /verif|valid|receiv|updat|chang|correct|miss|hired|effective|appoint|part(?:y|ies)|certif|check|done|on file|leave|review|expir|as of|since|until|due/i;

/**
 * Finds dates of birth, which a label or the field's name must indicate. Excludes all other dates from further search.
 */
export function findDates(scan: TextScan): void {
  for (const found of scan.remaining.matchAll(written)) {
    const { index, groups = {} } = found;
    const end = index + found[0].length;
    if (!isDate(groups)) continue;
    if (isBirth(scan, index, end)) scan.addMatch("birthdate", index, end);
    // `sort code 20-11-26` is not a date.
    else if (scan.labelOf({ index, end })?.meaning !== "bank") scan.exclude(index, end);
  }
  if (!scan.mentions("birthdate")) return;
  for (const found of scan.remaining.matchAll(digitsOnly)) {
    const end = found.index + found[0].length;
    if (isBirth(scan, found.index, end)) scan.addMatch("birthdate", found.index, end);
  }
}

function isDate({ m1, d1, a2, b2 }: Readonly<Record<string, string | undefined>>): boolean {
  const holds = (month: number, day: number) => month >= 1 && month <= 12 && day >= 1 && day <= 31;
  if (m1 !== undefined) return holds(Number(m1), Number(d1));
  if (a2 !== undefined) return holds(Number(a2), Number(b2)) || holds(Number(b2), Number(a2));
  return true;
}

function isBirth(scan: TextScan, index: number, end: number): boolean {
  const label = scan.labelOf({ index, end });
  if (label?.meaning !== "birthdate") return false;
  const { gap = "" } = label;
  return gap.length <= 32 && !/\d/.test(gap.replace(/\([^)]*\)/, "")) && !occasion.test(gap);
}
