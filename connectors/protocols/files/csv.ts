import { stringify } from "csv-stringify/sync";

export interface CsvFormat {
  readonly delimiter: string;
  /** `needed` quotes only cells that a reader would otherwise misread. */
  readonly quote: "needed" | "always";
  readonly lineEnd: string;
}

/** Returns rows as CSV text (RFC 4180). Every row ends with a line end. */
export function csvText(rows: readonly (readonly string[])[], { delimiter, quote, lineEnd }: CsvFormat): string {
  return stringify([...rows] as string[][], {
    delimiter,
    record_delimiter: lineEnd,
    quoted: quote === "always",
    quoted_empty: quote === "always",
    // The library quotes a cell only for the line end that it writes. A reader may treat the others as line ends too.
    quoted_match: /[\r\n]/,
  });
}

/** Matches text that a spreadsheet would evaluate: an operator, ASCII or full-width, after any characters it skips. */
const formula = /^(?:[\t\r\n]|[\s\p{Cf}]*[=+\-@＝＋－＠])/u;

/**
 * Prefixes text that begins like a formula with an apostrophe, so a spreadsheet displays it and does not evaluate it.
 *
 * Source: OWASP, "CSV Injection".
 */
export function escapeFormula(text: string): string {
  return formula.test(text) ? `'${text}` : text;
}
