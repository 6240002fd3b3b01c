import { describe, expect, it } from "vitest";
import { jsonReport, textReport } from "../../lint/report.ts";
import { parseSource } from "../../lint/source.ts";

const finding = { file: "ops/a.ts", line: 3, message: "is too long" };
const rule = { name: "length", title: "long functions", check: () => [] };
const clean = { rule: { ...rule, name: "circles", title: "import circles" }, findings: [] };

describe("the report", () => {
  it("lists offenders up to the limit, and ends with the table of counts", () => {
    const report = textReport([clean, { rule, findings: [finding, { ...finding, line: 9 }] }], 1);

    expect(report.split("\n")).toEqual([
      "length: long functions",
      "ops/a.ts:3: is too long",
      "… and 1 more; --all --rule length shows them",
      "",
      "     0  circles  import circles",
      "     2  length   long functions",
    ]);
  });

  it("reports every offender as JSON", () => {
    expect(JSON.parse(jsonReport([{ rule, findings: [finding] }]))).toEqual({
      rules: [{ name: "length", count: 1, findings: [finding] }],
    });
  });
});

describe("a source file", () => {
  it("throws if it does not parse", () => {
    expect(() => parseSource("ops/a.ts", "const = 1;")).toThrow(/^ops\/a\.ts does not parse: /);
  });
});
