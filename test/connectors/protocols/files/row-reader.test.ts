import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { csvText } from "../../../../connectors/protocols/files/csv.ts";
import {
  type FilePosition,
  type Row,
  type RowFormat,
  readPage,
} from "../../../../connectors/protocols/files/row-reader.ts";

const csv: RowFormat = { form: "csv", delimiter: "," };

/** Reads all rows of a file in pages of at most `maxRows` rows. */
function rowsOf(text: string | Buffer, format: RowFormat, maxRows: number): Row[] {
  const rows: Row[] = [];
  const bytes = Buffer.from(text);
  for (let from: FilePosition | undefined = { offset: 0, line: 1 }; from; ) {
    const page = readPage(bytes, format, from, maxRows);
    expect(page.rows.length).toBeLessThanOrEqual(maxRows);
    expect(page.next?.offset ?? Number.POSITIVE_INFINITY).toBeGreaterThan(from.offset);
    rows.push(...page.rows);
    from = page.next;
  }
  return rows;
}

/** Arbitrary text made of the characters with a meaning in CSV and JSON. */
const hostileText = fc.array(
  fc.constantFrom('"', ",", "\n", "\r\n", "\r", "a", "1", " ", "{", "}", ":", "é", "\u{fffd}", "\0"),
  {
    maxLength: 60,
  },
);

describe("row reader", () => {
  it("reads the same rows for every page size", () => {
    fc.assert(
      fc.property(hostileText, fc.constantFrom("csv" as const, "ndjson" as const), (parts, form) => {
        const [whole, ...paged] = [1_000, 1, 2, 3].map((maxRows) => rowsOf(parts.join(""), { ...csv, form }, maxRows));
        for (const rows of paged) expect(rows).toEqual(whole);
      }),
      { numRuns: 3_000 },
    );
  });

  it("reports an unreadable row with the line it begins on", () => {
    fc.assert(
      fc.property(hostileText, (parts) => {
        const text = `x\n${parts.join("")}`;
        const lines = text.split("\n");
        for (const row of rowsOf(text, { ...csv, columns: ["x", "y"] }, 2)) {
          if ("issue" in row) expect(row.text.split("\n")[0]).toBe(lines[row.line - 1]);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it("reads back every cell that csvText writes", () => {
    const cell = fc.string({ unit: "grapheme", maxLength: 12 }).filter((text) => !text.includes("\u{fffd}"));
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 8 }), fc.boolean(), (cells, always) => {
        const format = { delimiter: ",", quote: always ? "always" : "needed", lineEnd: "\r\n" } as const;
        const text = csvText([["a", "b"], ...cells], format);

        const rows = rowsOf(text, csv, 3);

        expect(rows.map((row) => ("data" in row ? [row.data.a, row.data.b] : row))).toEqual(cells);
      }),
      { numRuns: 2_000 },
    );
  });
});
