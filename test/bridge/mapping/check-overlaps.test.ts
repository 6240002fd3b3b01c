import { describe, expect, it } from "vitest";
import { readSheets } from "../../../bridge/mapping/sheet-file.ts";
import { issueText } from "../../../bridge/values/yaml-file.ts";
import { aCatalog } from "../../support/builders.ts";

const whole = `source_event: [record.changed, record.moved]
targets:
  hr: { connector: HR, map: { a: a, b: b }, send: full }
`;

/** Returns a sheet with one target. */
function part(target: string, { types = "record.changed", top = "" } = {}): string {
  return `source_event: ${types}\n${top}targets:\n  part:\n    ${target}\n`;
}

/** Returns the issues and warnings of sheets that are loaded together. */
async function findings(...texts: string[]): Promise<{ issues: string[]; warnings: string[] }> {
  const files = texts.map((text, i) => ({ file: `mappings/${i === 0 ? "whole" : `part${i}`}.yaml`, text }));
  const catalog = aCatalog("HR@v1", "HR@v2", "Payroll");
  const { issues, warnings } = await readSheets(files, catalog, { otherwise: "mask", rules: [] });
  return {
    issues: issues.map(issueText),
    warnings: warnings
      .map(issueText)
      .filter((text) => !text.includes('no "key:"') && !text.includes("several versions")),
  };
}

describe("an overlap of two sheets", () => {
  it("fails the check, and the message names both places", async () => {
    const { issues } = await findings(whole, part("connector: HR\n    map:\n      x: c\n      y: b"));

    expect(issues).toEqual([
      "mappings/part1.yaml:7: b is written by mappings/whole.yaml:3 (whole.hr) too, in HR@v1 for record.changed; " +
        "let one sheet write it, or keep them apart with when:, or from: and until:",
    ]);
  });

  it.each([
    ["inside the other's", "b", "{ connector: HR@v1, map: { x: b.c } }"],
    ["around the other's", "b.c", "{ connector: HR@v1, map: { x: b } }"],
    ["that is fixed", "b", "{ connector: HR, map: { x: c }, set: { b: 1 } }"],
    ["of a deletion", "b", "{ connector: HR, action: delete }"],
    ["in a period that overlaps", "b", "{ connector: HR, until: 2026-05-02T00:00:00Z, map: { y: b } }"],
  ])("fails the check for a field %s", async (_, field, target) => {
    const earlier = whole.replace("b: b", `b: ${field}`).replace("send: full", "from: 2026-05-01T00:00:00Z");

    const { issues } = await findings(earlier, part(target));

    expect(issues.filter((text) => text.includes(" is written by mappings/whole.yaml:3 (whole.hr) too"))).toHaveLength(
      1,
    );
  });

  it.each([
    ["types", part("{ connector: HR, map: { y: b } }", { types: "record.other" })],
    ["connectors", part("{ connector: Payroll, map: { y: b } }")],
    ["versions of a connector", part("{ connector: HR@v2, map: { y: b } }")],
    ["fields", part("{ connector: HR, map: { y: bb } }")],
    ["periods", part("{ connector: HR, from: 2026-05-01T00:00:00Z, map: { y: b } }")],
  ])("does not exist with different %s", async (_, other) => {
    const earlier = whole.replace("send: full", "until: 2026-05-01T00:00:00Z");

    expect(await findings(earlier, other)).toEqual({ issues: [], warnings: [] });
  });

  it("does not exist for the same fixed value", async () => {
    const withOrigin = (field: string) => part(`{ connector: HR, map: { x: ${field} }, set: { origin: HMS } }`);

    expect(await findings(withOrigin("a"), withOrigin("b"))).toEqual({ issues: [], warnings: [] });
  });

  it.each([
    ["a condition", part("{ connector: HR, map: { y: b } }", { top: "when: data.x = 1\n" })],
    ["another key", part("{ connector: HR, map: { y: b } }", { top: "key: data.other\n" })],
    ["a roster", part("{ connector: HR, for_each: data.people, map: { y: b } }")],
  ])("causes a warning if one has %s", async (_, other) => {
    const { issues, warnings } = await findings(whole, other);

    expect(issues).toEqual([]);
    expect(warnings).toEqual([
      expect.stringMatching(
        /^mappings\/part1.yaml:\d: b is written by mappings\/whole.yaml:3 \(whole.hr\) too, in HR@v1 for record.changed; if one event/,
      ),
    ]);
  });

  it("fails the check for the same record, in each spelling of the key", async () => {
    const keyed = (key: string, field: string) =>
      part(`{ connector: HR, map: { ${field}: b } }`, { top: `key: ${key}\n` });
    const roster = (path: string, more: string) => part(`{ connector: HR, for_each: ${path}, map: { y: b }${more} }`);

    expect((await findings(keyed("data.k", "x"), keyed("k", "y"))).issues).toHaveLength(1);
    expect((await findings(roster("data.people", ""), roster("people", ", key: id"))).issues).toHaveLength(1);
  });
});
