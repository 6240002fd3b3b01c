import { stringify } from "csv-stringify/sync";

export interface CsvForm {
  readonly delimiter: string;
  /** `needed`: where a cell would be read as something else without. */
  readonly quote: "needed" | "always";
  readonly lineEnd: string;
}

/** Rows as RFC 4180 has them, each ended by a line end. */
export function csvText(rows: readonly (readonly string[])[], { delimiter, quote, lineEnd }: CsvForm): string {
  return stringify([...rows] as string[][], {
    delimiter,
    record_delimiter: lineEnd,
    quoted: quote === "always",
    quoted_empty: quote === "always",
    // The library quotes a cell for the line end it writes; a reader also takes the others for one.
    quoted_match: /[\r\n]/,
  });
}

/** What a spreadsheet would take for a formula, with what it passes over before it; the full-width signs count too. */
const formula = /^(?:[\t\r\n]|[\s\p{Cf}]*[=+\-@＝＋－＠])/u;

/**
 * A text a spreadsheet shows as it is, and does not work out: with an apostrophe before it, where it begins like a
 * formula.
 *
 * Source: OWASP, "CSV Injection".
 */
export function neutral(text: string): string {
  return formula.test(text) ? `'${text}` : text;
}
