import { describe, expect, test } from "vitest";
import { rows } from "./rows.ts";
import { taggedFiles } from "./tagged-files.ts";

describe("the reliability rows", () => {
  test.each(rows.filter(({ pending }) => !pending))("row $number has its tag in a test file", (row) => {
    expect(taggedFiles([row])).not.toEqual([]);
    expect(row.tests).toBeGreaterThan(0);
  });

  test("pending rows have no tests, and are no longer pending once they have", () => {
    expect(taggedFiles(rows.filter(({ pending }) => pending))).toEqual([]);
  });

  test("the rows are numbered without gaps", () => {
    expect(rows.map(({ number }) => number)).toEqual(rows.map((_, i) => i + 1));
  });
});
