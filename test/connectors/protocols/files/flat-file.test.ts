import { describe, expect, it } from "vitest";
import type { Packet } from "../../../../bridge/model/packet.ts";
import { flatFile } from "../../../../connectors/protocols/files/flat-file.ts";
import { layoutSchema } from "../../../../connectors/protocols/files/flat-file-layout.ts";
import { encoderOf } from "../../../../connectors/protocols/files/text-encoding.ts";
import { aPacket, aVersion } from "../../../support/builders.ts";

/** Returns the file as text, or the reason it was refused. */
function written(layout: object, packet: Partial<Packet> = {}, number = 7): string {
  const bytes = flatFile(aPacket(packet), layoutSchema.parse({ lineEnd: "lf", ...layout }), number);
  return Buffer.isBuffer(bytes) ? bytes.toString("latin1") : bytes.issue;
}

/** Writes one value by a layout with one item. Returns the line, or the reason it was refused. */
function writeValue(item: object, value: unknown, form: object = { form: "fixed" }): string {
  const layout = { lines: { ...form, detail: [{ field: "x", ...item }] } };
  return written(layout, { fields: { x: value } as Packet["fields"] }).replace(/\n$/, "");
}

describe("fixed-width line", () => {
  it("pads each value in its position and fills gaps with blanks", () => {
    const layout = {
      lines: {
        form: "fixed",
        length: 40,
        detail: [
          { text: "D", width: 1 },
          { is: "action", width: 1 },
          { is: "entity", width: 8 },
          { field: "rate", from: 15, width: 9, number: { decimals: 2 } },
          { field: "city", width: 10, align: "right", pad: "." },
          { field: "since", width: 6, date: "YYMMDD" },
        ],
      },
    };

    const line = written(layout, { entity: "E-1001", fields: { rate: 68.5, city: "Denver", since: "2026-12-01" } });

    expect(line).toBe("DUE-1001      000006850....Denver261201 \n");
    expect(line.length).toBe(41);
  });

  it.each([
    ["text that is too long", { width: 5 }, "Denver", "x needs 6 positions but has 5"],
    ["a number that is too large", { width: 4, number: { decimals: 2 } }, 100, "x needs 5 positions but has 4"],
    ["too many decimal places", { width: 9, number: { decimals: 2 } }, 68.125, "x has more than 2 decimal places"],
    ["text instead of a number", { width: 9, number: {} }, "12a", "x is not a number"],
    ["a negative number in an unsigned field", { width: 9, number: { sign: "none" } }, -1, "x is negative"],
    ["a list", { width: 9 }, [1], "x is a list or an object; an item takes a single value"],
    ["a line break", { width: 9 }, "a\nD2", "x contains a control character, or a character that ascii lacks"],
    [
      "a character outside the code page",
      { width: 9 },
      "Łódź",
      "x contains a control character, or a character that ascii lacks",
    ],
    ["a day that does not exist", { width: 8, date: "YYYYMMDD" }, "2026-02-30", "x is a date that does not exist"],
    ["an invalid date", { width: 8, date: "YYYYMMDD" }, "01/02/2026", "x is not an ISO 8601 date such as 2026-12-01"],
    [
      "a time without an offset",
      { width: 8, date: "YYYYMMDD" },
      "2026-12-01T00:00:00",
      "x is a time without an offset from UTC",
    ],
  ])("refuses %s and names the field without its value", (_, item, value, issue) => {
    expect(writeValue(item, value)).toBe(issue);
  });

  it.each([
    [{}, 0, "000000000"],
    [{}, -68, "-00000068"],
    [{ decimals: 2 }, 68.5, "000006850"],
    [{ decimals: 2 }, "68.50", "000006850"],
    [{ decimals: 2 }, 1.1, "000000110"],
    [{ decimals: 2, point: true }, -0.05, "-00000.05"],
    [{ decimals: 2, sign: "leading" }, 68.5, "+00006850"],
    [{ decimals: 2, sign: "trailing" }, -68.5, "00006850-"],
    [{ decimals: 2, sign: "zoned" }, 68.5, "00000685{"],
    [{ decimals: 2, sign: "zoned" }, -68.51, "00000685J"],
    [{ decimals: 2, sign: "zoned" }, 0.03, "00000000C"],
    [{ decimals: 9, sign: "none" }, 0.5, "500000000"],
  ])("writes a number in the format %j: %j", (number, value, text) => {
    expect(writeValue({ width: 9, number }, value)).toBe(text);
  });

  it.each([
    ["YYYYMMDD", "2026-12-01", "20261201"],
    ["YYDDD", "2024-12-31", "24366"],
    ["DD.MM.YYYY", "2026-12-01", "01.12.2026"],
    ["YYYY-MM-DDTHH:mm:ss", "2026-12-01T23:30:00-05:00", "2026-12-02T04:30:00"],
  ])("writes a date as %s", (date, value, text) => {
    expect(writeValue({ width: text.length, date }, value)).toBe(text);
  });

  it("writes null as blanks and refuses an upsert without a required field", () => {
    const layout = {
      lines: {
        form: "fixed",
        detail: [
          { field: "a", width: 2 },
          { field: "b", width: 2, required: false },
        ],
      },
    };

    expect(written(layout, { fields: { a: null, b: "x" } })).toBe("  x \n");
    expect(written(layout, { fields: { a: "x" } })).toBe("x   \n");
    expect(written(layout, { fields: { b: "x" } })).toMatch(/^a is missing; /);
  });

  it("refuses a field that is not in the layout", () => {
    expect(
      written({ lines: { form: "fixed", detail: [{ field: "a", width: 2 }] } }, { fields: { a: "x", b: "y" } }),
    ).toBe("b is not in the layout");
  });

  it("writes a deletion only if the layout has an action item", () => {
    const layout = {
      lines: {
        form: "fixed",
        detail: [
          { is: "action", width: 3 },
          { field: "a", width: 2 },
        ],
      },
    };
    const deletion = { action: "delete", fields: {} } as const;

    expect(written({ ...layout, actions: { upsert: "ADD", delete: "DEL" } }, deletion)).toBe("DEL  \n");
    expect(written({ lines: { form: "fixed", detail: [{ field: "a", width: 2 }] } }, deletion)).toMatch(
      /\{ is: action \}/,
    );
  });

  it("writes EBCDIC if the layout asks for it", () => {
    const layout = layoutSchema.parse({
      encoding: "cp037",
      lineEnd: "none",
      lines: { form: "fixed", detail: [{ field: "x", width: 6, number: { sign: "zoned" } }] },
    });

    const bytes = flatFile(aPacket({ fields: { x: -120 } }), layout, 1) as Buffer;

    expect(bytes.toString("hex")).toBe("f0f0f0f1f2d0");
  });
});

describe("file with several records", () => {
  const layout = {
    records: "rates",
    lines: {
      form: "fixed",
      header: [
        { text: "H", width: 1 },
        { is: "number", width: 6, number: {} },
        { is: "time", width: 8 },
      ],
      detail: [
        { text: "D", width: 1 },
        { field: "city", width: 8 },
        { field: "usd", width: 7, number: { decimals: 2, sign: "zoned" } },
      ],
      trailer: [
        { text: "T", width: 1 },
        { is: "count", width: 5, number: {} },
        { total: "usd", width: 9, number: { decimals: 2 } },
      ],
    },
  };
  const version = aVersion({ time: Date.parse("2026-12-01T12:00:00Z") });

  it("begins with its number and ends with a count and an exact total", () => {
    const rates = [
      { city: "Denver", usd: 0.1 },
      { city: "Boston", usd: 0.2 },
      { city: "Reno", usd: -68.4 },
    ];

    expect(written(layout, { fields: { rates }, version }, 42)).toBe(
      "H00004220261201\nDDenver  000001{\nDBoston  000002{\nDReno    000684}\nT00003-00006810\n",
    );
  });

  it.each([
    ["text instead of a list", "x", "rates is not a list of records, or is empty"],
    ["an empty list", [], "rates is not a list of records, or is empty"],
    ["a list of numbers", [1], "rates contains a value that is not a record"],
    ["a record with a field outside the layout", [{ city: "a", usd: 1, zip: 1 }], "zip is not in the layout"],
  ])("refuses %s", (_, rates, issue) => {
    expect(written(layout, { fields: { rates } as Packet["fields"] })).toBe(issue);
  });
});

describe("delimited line", () => {
  const two = (more: object) => ({
    lines: {
      form: "delimited",
      ...more,
      detail: [{ field: "a" }, { field: "b", width: 4, number: { decimals: 1, point: true } }],
    },
  });

  it("pads nothing except the decimals of its numbers", () => {
    expect(written(two({}), { fields: { a: "x", b: 6.5 } })).toBe("x|6.5\n");
  });

  it("quotes or refuses a value that contains the delimiter or a quote", () => {
    expect(written(two({}), { fields: { a: "x|y", b: 1 } })).toBe("a contains the delimiter or a quotation mark");
    expect(written(two({}), { fields: { a: 'x"', b: 1 } })).toBe("a contains the delimiter or a quotation mark");
    expect(written(two({ quote: "needed" }), { fields: { a: 'x|"y', b: 1 } })).toBe('"x|""y"|1.0\n');
    expect(written(two({}), { fields: { a: "x", b: 1000 } })).toBe("b needs 6 positions but has 4");
  });
});

describe("flat-file layout", () => {
  it.each([
    [
      "has overlapping items",
      {
        detail: [
          { text: "a", width: 4 },
          { field: "b", from: 4, width: 2 },
        ],
      },
      /b begins at position 4, inside/,
    ],
    ["exceeds its length", { length: 4, detail: [{ field: "b", width: 5 }] }, /length of 4: b ends at position 5/],
    ["lacks a width", { detail: [{ field: "b" }] }, /lack the width of b/],
    ["has a text that does not fit", { detail: [{ text: "abc", width: 2 }] }, /longer than its width/],
    ["has an item of two kinds", { detail: [{ text: "abc", field: "x", width: 3 }] }, /one of field, text/],
    ["has a total of text", { detail: [{ field: "x", width: 1 }], trailer: [{ total: "x", width: 9 }] }, /total of x/],
    ["has an unknown key", { detail: [{ field: "x", widht: 1 }] }, /widht/],
  ])("rejects a layout that %s", (_, lines, issue) => {
    const parsed = layoutSchema.safeParse({ lines: { form: "fixed", ...lines } });

    expect(parsed.success).toBe(false);
    expect(parsed.error?.message).toMatch(issue);
  });

  it("rejects a multi-byte encoding for fixed-width lines", () => {
    const lines = { form: "fixed", detail: [{ field: "x", width: 1 }] };

    expect(layoutSchema.safeParse({ encoding: "utf-8", lines }).success).toBe(false);
  });
});

describe("text encoding", () => {
  it.each([
    ["ascii", "AZ az~", "415a20617a7e"],
    ["iso-8859-1", "é", "e9"],
    ["windows-1252", "€é", "80e9"],
    ["utf-8", "€", "e282ac"],
    ["cp037", "AZ09{}", "c1e9f0f9c0d0"],
  ] as const)("%s encodes %s", (encoding, text, hex) => {
    expect(encoderOf(encoding)(text)?.toString("hex")).toBe(hex);
  });

  it.each([
    ["ascii", "é"],
    ["iso-8859-1", "€"],
    ["windows-1252", "ő"],
    ["cp037", "€"],
    ["utf-8", "\ud800"],
  ] as const)("%s refuses %s instead of replacing it", (encoding, text) => {
    expect(encoderOf(encoding)(text)).toBeUndefined();
  });
});
