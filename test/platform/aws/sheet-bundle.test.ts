import Ajv from "ajv-draft-04";
import { describe, expect, it } from "vitest";
import type { Policy } from "../../../bridge/governance/policy.ts";
import { readSheet } from "../../../bridge/mapping/sheet-file.ts";
import { type Connector, connectorId } from "../../../bridge/model/connector.ts";
import { connector as payroll } from "../../../connectors/payroll.ts";
import { catalogText, openCatalog } from "../../../platform/aws/deployed-catalog.ts";
import { checkSet, packSet, setJsonSchema, unpackSet } from "../../../platform/aws/sheet-bundle.ts";
import { readFolder, readTexts } from "../../../platform/local/sheet-watcher.ts";
import { aCatalog } from "../../support/builders.ts";

const policy: Policy = { otherwise: "block", rules: [] };

function sheet(text: string, file = "mappings/a.yaml") {
  const reading = readSheet(file, text);
  if (!reading.ok) throw new Error(reading.issues.map(({ message }) => message).join("\n"));
  return { file, sheet: reading.sheet };
}

const rate = (connector = "HR", more = "") =>
  sheet(`source_event: rate.changed\ntargets: { hr: { connector: ${connector}, map: { rate: rate } } }\n${more}`);

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Returns the bundle of this project's sheets and policy. */
async function ownBundle(): Promise<string> {
  const texts = readFolder("mappings");
  const { sheets, policy } = await readTexts(texts, aCatalog("PayrollConnector", "GISTableConnector", "WorkForceNow"));
  return text(
    packSet({ sheets: sheets.sheets.map((one, i) => ({ file: texts.sheets[i]?.file ?? "", sheet: one })), policy }),
  );
}

const isDraft4 = (value: unknown) =>
  new Ajv.default({ strict: false, formats: { "date-time": true } }).compile(setJsonSchema())(value);

describe("sheet bundle", () => {
  it("preserves its sheets with hash, policy and examples", () => {
    const full = rate(
      "HR",
      "examples: [{ name: n, event: { type: rate.changed, data: { rate: 1 } }, expect: { hr: { rate: 1 } } }]",
    );
    const rules: Policy["rules"] = [{ id: "a", field: "x", action: "mask" }];

    const unpacked = unpackSet(text(packSet({ sheets: [full], policy: { otherwise: "mask", rules } })));

    if (!unpacked.ok) throw new Error(unpacked.faults.join());
    expect(unpacked.sheets.map(({ sheet }) => [sheet.name, sheet.hash])).toEqual([["a", full.sheet.hash]]);
    expect(unpacked.sheets[0]?.sheet.examples).toEqual(full.sheet.examples);
    expect(unpacked.policy).toEqual({ otherwise: "mask", rules });
  });

  it("packs the same sheets into the same bytes", () => {
    expect(packSet({ sheets: [rate()], policy })).toEqual(packSet({ sheets: [rate()], policy }));
  });

  it("rejects a bundle over 500 KB, with its size and its largest sheet", () => {
    const long = "x".repeat(9_900);
    const big = (i: number, kb: number) =>
      sheet(
        `source_event: e\ntargets: { hr: { connector: HR, set: { ${Array.from({ length: kb / 10 }, (_, n) => `f${n}: ${long}`)} }, map: { a: b } } }`,
        `mappings/s${i}.yaml`,
      );
    const fits = Array.from({ length: 9 }, (_, i) => big(i, 50));

    expect(packSet({ sheets: fits, policy }).byteLength).toBeGreaterThan(440_000);
    expect(() => packSet({ sheets: [...fits, big(9, 60)], policy })).toThrow(
      /^the sheets are 50\d{4} bytes together and the limit is 500000; the largest is mappings\/s9.yaml with \d+: /,
    );
  });

  it.each([
    ["{", "the set is not JSON"],
    ["[]", "the set, "],
    ['{"sheets":[]}', "the set, policy: "],
    ['{"sheets":[{"document":{}}],"policy":{}}', "the set, sheets.0.file: "],
    ['{"sheets":[],"policy":{"rules":[{"id":"a","field":"x","action":"shred"}]}}', "the set, policy.rules.0.action: "],
    ['{"sheets":[{"file":"mappings/a.yaml","document":null}],"policy":{}}', "mappings/a.yaml: "],
    ['{"sheets":[],"policy":{},"__proto__":{}}', 'the set, the value: the key "__proto__" is not allowed'],
    [`${"[".repeat(30_000)}${"]".repeat(30_000)}`, "the set, "],
  ])("returns the issues of an invalid bundle without throwing: %.60s", (given, expected) => {
    const unpacked = unpackSet(given);

    expect(unpacked.ok ? "accepted" : unpacked.faults.join("\n")).toContain(expected);
  });
});

describe("sheet bundle check", () => {
  const check = (sheets: ReturnType<typeof sheet>[], catalog = aCatalog("HR")) =>
    checkSet(text(packSet({ sheets, policy })), catalog);

  it("finds no issues in this project's sheets", async () => {
    const catalog = aCatalog("PayrollConnector", "GISTableConnector", "WorkForceNow");

    expect(await checkSet(await ownBundle(), catalog)).toEqual([]);
  });

  it("names file, position, issue and fix for a connector that is not deployed", async () => {
    expect(await check([rate("WorkForceNow")])).toEqual([
      "mappings/a.yaml: targets.hr.connector: no connector is called WorkForceNow; installed: HR@v1",
    ]);
  });

  it("runs every example and reports a failing one", async () => {
    const wrong =
      "examples: [{ name: a raise, event: { type: rate.changed, data: { rate: 1 } }, expect: { hr: { rate: 2 } } }]";

    expect(await check([rate("HR", wrong)])).toEqual([
      'mappings/a.yaml: examples.0: the example "a raise" fails: hr: rate not as expected; "bridge sheets test" shows the values',
    ]);
  });

  it("rejects two sheets that write one field of a connector, and names both places", async () => {
    const other = { ...rate(), sheet: { ...rate().sheet, name: "b" }, file: "mappings/b.yaml" };

    expect(await check([rate(), other])).toEqual([
      "mappings/b.yaml: targets.hr.map.rate: rate is written by mappings/a.yaml: targets.hr.map.rate (a.hr) too, in HR@v1 for rate.changed; let one sheet write it, or keep them apart with when:, or from: and until:",
    ]);
    expect(await check([rate(), { ...rate("HR", "when: data.x = 1\n"), file: "mappings/b.yaml" }])).toEqual([]);
  });

  it("rejects two sheets with the same name", async () => {
    const twin = { ...rate(), file: "mappings/a.yml" };

    expect(await check([rate(), twin])).toEqual([
      "mappings/a.yml: mappings/a.yaml has the same name; rename one, because packets are identified by the sheet's name",
    ]);
  });

  it("rejects an unknown key of a newer version in words for sheet authors", async () => {
    const newer = text(packSet({ sheets: [rate()], policy })).replace('"connector"', '"conector":1,"connector"');

    expect(await checkSet(newer, aCatalog("HR"))).toEqual([
      'mappings/a.yaml: targets.hr.conector: unknown key "conector"; did you mean "connector"?',
    ]);
  });
});

describe("schema for AppConfig", () => {
  it("uses JSON Schema draft-4 and fits AppConfig's limit", () => {
    const schema = setJsonSchema();

    expect(schema.$schema).toBe("http://json-schema.org/draft-04/schema#");
    expect(JSON.stringify(schema).length).toBeLessThan(32_768);
    expect(JSON.stringify(schema)).not.toMatch(
      /"(const|if|propertyNames|contains|\$defs|examples)":(?!\{"type":"array")/,
    );
  });

  it("accepts this project's sheets and rejects invalid ones", async () => {
    const set = JSON.parse(await ownBundle()) as { sheets: { document: object }[] };

    expect(isDraft4(set)).toBe(true);
    expect(isDraft4({ ...set, sheets: [{ file: "mappings/a.yaml", document: {} }] })).toBe(false);
    expect(isDraft4({ ...set, policy: { otherwise: "allow" } })).toBe(false);
    expect(isDraft4({ ...set, more: 1 })).toBe(false);
  });
});

describe("deployed catalog", () => {
  it("contains the connectors' properties and cannot send", () => {
    const declared = { ...payroll, deletes: true, resource: "journal", order: "strict" } as Connector;
    const id = connectorId(declared);

    const known = openCatalog(catalogText([declared])).get(id);

    expect(known).toMatchObject({ name: "PayrollConnector", deletes: true, resource: "journal", order: "strict" });
    expect(() => known?.send({} as never, {} as never)).toThrow(`${id} sends and probes in a function of its own`);
  });

  it("rejects a text that is not a catalog", () => {
    expect(() => openCatalog('[{"name":"HR"}]')).toThrow(/version/);
  });
});
