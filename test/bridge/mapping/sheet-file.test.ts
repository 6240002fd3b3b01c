import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import * as z from "zod";
import { readSheet, readSheets } from "../../../bridge/mapping/sheet-file.ts";
import { sheetJsonSchema } from "../../../bridge/model/sheet-document.ts";
import { issueText } from "../../../bridge/values/yaml-file.ts";
import { aCatalog } from "../../support/builders.ts";
import { perDiemSheet } from "../../support/home.ts";

const full = `
source_event: [PolicyApproved, PolicyAmended]
when: data.category = "Telework"
key: data.policyId
consistency_window: 90s
targets:
  hr:
    connector: WorkForceNow@v2
    from: 2026-12-01T00:00:00Z
    for_each: data.employees
    key: employeeId
    map:
      teleworkHours: flex_time
      effectiveDate: { to: policy_start, with: '$substring($, 0, 10)' }
    set: { origin: HMS }
    send: full
    action: upsert
direction: outbound
examples:
  - name: one
    event: { type: PolicyApproved, data: {} }
    expect: { hr: null }
`;

function faultsOf(text: string): string[] {
  const reading = readSheet("mappings/x.yaml", text);
  return reading.ok ? [] : reading.faults.map(issueText);
}

describe("a sheet", () => {
  it("of perDiemSheet lines works as it stands", () => {
    const reading = readSheet("mappings/per_diem.yaml", perDiemSheet);

    if (!reading.ok) throw new Error(reading.faults.map(issueText).join("\n"));
    expect(reading.sheet).toMatchObject({
      name: "per_diem",
      sourceEvents: ["policy.per_diem.updated"],
      windowMs: 60_000,
    });
    expect(reading.sheet.targets.map(({ name, plain, send }) => [name, plain, send])).toEqual([
      ["payroll", true, "changed"],
      ["gis", true, "changed"],
    ]);
  });

  it("with everything in it is read, and says where each thing stands", () => {
    const reading = readSheet("mappings/full.yaml", full);

    if (!reading.ok) throw new Error(reading.faults.map(issueText).join("\n"));
    expect(reading.sheet.windowMs).toBe(90_000);
    expect(reading.sheet.targets[0]).toMatchObject({
      send: "full",
      from: Date.parse("2026-12-01T00:00:00Z"),
      plain: false,
    });
    expect(reading.lineOf(["targets", "hr", "map", "effectiveDate"])).toBe(14);
  });

  it("is the same sheet whatever its comments, examples and order of keys, and another for any meaning", () => {
    const hashOf = (text: string) => {
      const reading = readSheet("mappings/x.yaml", text);
      return reading.ok ? reading.sheet.hash : undefined;
    };

    expect(hashOf(`# another comment\n${perDiemSheet}`)).toBe(hashOf(perDiemSheet));
    expect(hashOf(`${perDiemSheet}examples: []\n`)).toBe(hashOf(perDiemSheet));
    expect(hashOf(perDiemSheet.replace("dailyRate", "hourlyRate"))).not.toBe(hashOf(perDiemSheet));
  });

  it.each<[string, string, string]>([
    ["nothing", "", 'mappings/x.yaml:1: the sheet is empty; start with "source_event:" and "targets:"'],
    ["a list", "- a", 'mappings/x.yaml:1: the sheet is empty; start with "source_event:" and "targets:"'],
    ["no event", "targets: { a: { connector: A, map: { x: y } } }", "source_event is missing; name the event type"],
    ["no targets", "source_event: t", "targets is missing; name at least one target"],
    ["no target", "source_event: t\ntargets: {}", "mappings/x.yaml:2: targets is empty; name at least one target"],
    [
      "no connector",
      "source_event: t\ntargets:\n  a:\n    map: { x: y }",
      "mappings/x.yaml:3: connector is missing; name a file",
    ],
    ["no map", "source_event: t\ntargets:\n  a:\n    connector: A", 'mappings/x.yaml:3: a maps no field; give "map:"'],
    ["an unknown key", `${perDiemSheet}sorce: x`, 'mappings/x.yaml:12: unknown key "sorce"; known here'],
    [
      "a slip of the pen",
      perDiemSheet.replace("source_event", "source_evnt"),
      'mappings/x.yaml:2: unknown key "source_evnt"; did you mean "source_event"?',
    ],
    [
      "a slip in a target",
      perDiemSheet.replace("    connector: G", "    conector: G"),
      'mappings/x.yaml:9: unknown key "conector"; did you mean "connector"?',
    ],
    [
      "a slip in a field",
      perDiemSheet.replace("new_rate: dailyRate", "new_rate: { to: a, wiht: $ }"),
      'unknown key "wiht"; did you mean "with"?',
    ],
    [
      "a field that maps to nothing",
      perDiemSheet.replace("new_rate: dailyRate", "new_rate:"),
      "mappings/x.yaml:7: new_rate maps to nothing; give",
    ],
    [
      "a field that maps to a number",
      perDiemSheet.replace("dailyRate", "7"),
      "mappings/x.yaml:7: new_rate maps to nothing",
    ],
    [
      "an empty name between dots",
      perDiemSheet.replace("dailyRate", "a..b"),
      'mappings/x.yaml:7: "a..b" has an empty name between its dots',
    ],
    [
      "two fields for one",
      perDiemSheet.replace("      new_rate: dailyRate", "      new_rate: a\n      other: a"),
      "mappings/x.yaml:8: other and new_rate both map to a; keep one",
    ],
    [
      "a field within another",
      perDiemSheet.replace("      new_rate: dailyRate", "      new_rate: a\n      other: a.b"),
      "mappings/x.yaml:8: other maps to a.b, which cannot stand beside a",
    ],
    [
      "a fixed field that is mapped too",
      perDiemSheet.replace("      new_rate: dailyRate", "      new_rate: a\n    set: { a: 1 }"),
      "both map to a; keep one",
    ],
    ["the same key twice", `${perDiemSheet}source_event: y`, "mappings/x.yaml:12: the key is duplicated; keep one"],
    [
      "a bad window",
      `${perDiemSheet}consistency_window: soon`,
      "mappings/x.yaml:12: consistency_window is not a time such as",
    ],
    ["a bad expression", `${perDiemSheet}when: "data.("`, 'mappings/x.yaml:12: "data.(" does not compile'],
    [
      "a bad expression in a field",
      perDiemSheet.replace("dailyRate", "{ to: a, with: '$(' }"),
      'mappings/x.yaml:7: "$(" does not compile',
    ],
    [
      "a regex that could run for ever",
      perDiemSheet.replace("dailyRate", "{ to: a, with: '$match($, /(a)\\1/)' }"),
      "mappings/x.yaml:7: ",
    ],
    [
      "a bad instant",
      perDiemSheet.replace("    map:", "    from: tomorrow\n    map:"),
      "mappings/x.yaml:6: from is not a time such as 2026-12-01T00:00:00Z",
    ],
    [
      "an end before its beginning",
      perDiemSheet.replace("    map:", "    from: 2026-12-02T00:00:00Z\n    until: 2026-12-01T00:00:00Z\n    map:"),
      "mappings/x.yaml:7: until is not after from",
    ],
    [
      "a wrong way to send",
      perDiemSheet.replace("    map:", "    send: some\n    map:"),
      'mappings/x.yaml:6: send is neither "changed" nor "full"',
    ],
    [
      "a bad connector's name",
      perDiemSheet.replace("PayrollConnector", "../payroll"),
      "mappings/x.yaml:5: connector is not a connector's name",
    ],
    [
      "a bad target's name",
      perDiemSheet.replace("payroll:", "Pay Roll:"),
      "mappings/x.yaml:4: Pay Roll: is not a target's name",
    ],
    ["no YAML", "source_event: [a", "not YAML"],
    ["a tab", "source_event: t\n\ttargets: x", "not YAML"],
    [
      "an example without a name",
      `${perDiemSheet}examples: [{ event: { type: t }, expect: {} }]`,
      "name is missing; say what the example shows",
    ],
  ])("with %s is told so, with the line and what to do", (_, text, expected) => {
    const faults = faultsOf(text);

    expect(faults.join("\n")).toContain(expected);
    expect(faults.every((fault) => /^mappings\/x\.yaml:\d+: /.test(fault))).toBe(true);
  });

  it("is read against the connectors at hand, all faults of all files at once", async () => {
    const policy = { otherwise: "block", rules: [] } as const;
    const catalog = aCatalog("PayrollConnector", "WorkForceNow@v1", "WorkForceNow@v2");
    const files = [
      { file: "mappings/a.yaml", text: perDiemSheet },
      { file: "mappings/b.yaml", text: perDiemSheet.replaceAll(/PayrollConnector|GISTableConnector/g, "WorkForceNow") },
      { file: "mappings/c.yaml", text: perDiemSheet.replace("GISTableConnector", "PayrollConnector@v1") },
      { file: "mappings/c.yml", text: perDiemSheet.replace(/ {2}gis:[\s\S]*/, "") },
    ];

    const { faults, warnings } = await readSheets(files, catalog, { ...policy, rules: [] });

    expect(faults.map(issueText)).toEqual([
      "mappings/a.yaml:9: no connector is called GISTableConnector; there are PayrollConnector@v1, WorkForceNow@v1, WorkForceNow@v2",
      "mappings/b.yaml:9: gis and payroll both go to WorkForceNow@v1; make them one target",
      "mappings/c.yaml:9: gis and payroll both go to PayrollConnector@v1; make them one target",
      expect.stringMatching(/^mappings\/c\.yml:\d+: mappings\/c\.yaml has the same name/),
    ]);
    expect(warnings.map(issueText)).toContain(
      "mappings/b.yaml:5: WorkForceNow has several versions and means WorkForceNow@v1; say so, or WorkForceNow@v2",
    );
  });

  it("whose example fails is told so", async () => {
    const text = perDiemSheet.replace(
      / {2}gis:[\s\S]*/,
      "examples:\n  - name: raises\n    event: { type: policy.per_diem.updated, data: { new_rate: 68 } }\n    expect: { payroll: { dailyRate: 69 } }\n",
    );

    const { faults } = await readSheets([{ file: "mappings/a.yaml", text }], aCatalog("PayrollConnector"), {
      otherwise: "block",
      rules: [],
    });

    expect(faults.map(issueText).join()).toMatch(
      /mappings\/a\.yaml:\d+: the example "raises" fails: payroll: dailyRate not as expected/,
    );
  });

  it("has a JSON Schema that takes good sheets and refuses bad ones, so an editor can", () => {
    const schema = z.fromJSONSchema(sheetJsonSchema() as never);

    expect(schema.safeParse(parse(perDiemSheet)).success).toBe(true);
    expect(schema.safeParse(parse(full)).success).toBe(true);
    expect(schema.safeParse(parse(perDiemSheet.replace("source_event", "source"))).success).toBe(false);
    expect(schema.safeParse(parse(perDiemSheet.replace("connector: P", "conector: P"))).success).toBe(false);
  });
});

describe("a hostile sheet", () => {
  const hostile = hostileSheets();

  it("comes in at least 50 kinds", () => {
    expect(new Set(hostile.map(([name]) => name)).size).toBe(hostile.length);
    expect(hostile.length).toBeGreaterThanOrEqual(50);
  });

  it.each(hostile)("with %s has no effect: refused, or only text, in time", (_, text) => {
    const began = performance.now();

    const reading = readSheet("mappings/x.yaml", text);

    expect(performance.now() - began).toBeLessThan(5_000);
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    if (!reading.ok) {
      expect(reading.faults.length).toBeGreaterThan(0);
      for (const fault of reading.faults) {
        expect(issueText(fault).length).toBeLessThan(5_000);
        expect(fault.line).toBeGreaterThanOrEqual(1);
      }
    }
  });

  it("is told of by its faults alone: the process is not warned, with a piece of the text", async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on("warning", listen);

    readSheet("x.yaml", "source_event: t\n? { a: secret }\n: 1\n");
    await new Promise(setImmediate);

    process.off("warning", listen);
    expect(warnings).toEqual([]);
  });

  it("made of anything is read or refused, never thrown at", () => {
    const word = fc.constantFrom(
      "source_event",
      "targets",
      "map",
      ": ",
      "\n",
      "  ",
      "- ",
      "{",
      "}",
      "[",
      "]",
      "&a",
      "*a",
      "!!",
      "'",
      '"',
      "|",
      "#",
      "a",
      "?",
      ",",
      "<<",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(word, { maxLength: 40 }).map((words) => words.join("")),
          fc.string({ unit: "binary" }),
        ),
        (text) => {
          expect(typeof readSheet("x.yaml", text).ok).toBe("boolean");
        },
      ),
      { numRuns: 3_000 },
    );
  });
});

function hostileSheets(): [string, string][] {
  const of = (more: string) => `source_event: t\ntargets: { a: { connector: A, map: { x: y } } }\n${more}`;
  const field = (from: string, to: string) =>
    `source_event: t\ntargets:\n  a:\n    connector: A\n    map:\n      ${from}: ${to}\n`;
  const bomb = [
    "a: &a [x,x,x,x,x,x,x,x,x]",
    ...[..."bcdefghij"].map((name, i) => `${name}: &${name} [${Array(9).fill(`*${"abcdefghij"[i]}`).join(",")}]`),
  ].join("\n");
  const cases: [string, string][] = [
    ["a billion laughs", bomb],
    ["a billion laughs in its set", of(`set: &a [&b [*b]]\n${bomb}`)],
    ["an alias of itself", "source_event: &a [*a]\ntargets: {}"],
    ["an alias of nothing", "source_event: *nobody"],
    ["ten thousand aliases", `a: &a x\nb: [${Array(10_000).fill("*a").join(",")}]`],
    ["lists 30,000 deep", "[".repeat(30_000)],
    ["closed lists 30,000 deep", `${"[".repeat(30_000)}${"]".repeat(30_000)}`],
    ["maps 20,000 deep", "{a: ".repeat(15_000)],
    ["blocks nested 300 deep", Array.from({ length: 300 }, (_, i) => `${" ".repeat(i)}a:`).join("\n")],
    ["a list of dashes", "- ".repeat(30_000)],
    ["question marks", "? ".repeat(30_000)],
    ["64 KiB of one word", "a".repeat(65_536)],
    ["64 KiB and a byte", "a".repeat(65_537)],
    ["a megabyte", `source_event: ${"a".repeat(1_048_576)}`],
    ["60,000 line breaks", "\n".repeat(60_000)],
    ["20,000 keys", Array.from({ length: 8_000 }, (_, i) => `k${i}: 1`).join("\n")],
    ["a merge key", of("<<: { polluted: 1 }")],
    ["a key that is a map", of("? { a: 1 }\n: 2")],
    ["a null byte", "source_event: a\u0000b"],
    ["a byte order mark", `\ufeff${of("")}`],
    ["a lone surrogate", 'source_event: "\\ud800"\ntargets: {}'],
    ["an endless number", of("consistency_window: 99999999999999999999s")],
    ["infinity", of("key: .inf")],
    ["not a number", of("set: .nan")],
    ["a directive", `%TAG ! tag:evil,2026:\n---\n${of("")}`],
    ["two documents", `${of("")}---\n${of("")}`],
  ];
  for (const tag of [
    "!!js/function",
    "!!python/object/apply:os.system",
    "!!binary",
    "!!set",
    "!!timestamp",
    "!!map",
    "!ruby/object:Gem",
  ]) {
    cases.push([`the tag ${tag}`, `source_event: ${tag} "x"\ntargets: {}`]);
  }
  for (const key of ["__proto__", "constructor", "prototype"]) {
    cases.push(
      [`the key ${key} at the top`, of(`${key}: { polluted: true }`)],
      [`the target ${key}`, `source_event: t\ntargets: { ${key}: { connector: A, map: { x: y } } }`],
      [`the field ${key}`, field(key, "y")],
      [`a path to ${key}`, field("x", `a.${key}.polluted`)],
      [`a path from ${key}`, field(`${key}.polluted`, "y")],
      [
        `a fixed field ${key}`,
        `source_event: t\ntargets: { a: { connector: A, map: { x: y }, set: { ${key}: { polluted: 1 } } } }`,
      ],
      [`a key ${key}`, of(`key: data.${key}`)],
    );
  }
  for (const source of [
    "$match($, /(a+)+$/)",
    "$eval('1')",
    "[1..1e9]",
    "$pad($, 1e9)",
    "(".repeat(1_000),
    "[".repeat(1_000),
    "-".repeat(1_000),
    "a.".repeat(1_000),
    "/(?:(?:(?:a{1,1000}){1,1000}){1,1000})/",
    "process.exit(1)",
    "$$.constructor.constructor('return process')()",
  ]) {
    cases.push([`the expression ${source.slice(0, 30)}`, field("x", `{ to: y, with: ${JSON.stringify(source)} }`)]);
  }
  for (const name of [
    "'; DROP TABLE packets; --",
    "a\\r\\nx-evil: 1",
    "../../etc/passwd",
    "=cmd|calc!A1",
    "<script>",
    "$".concat("{jndi:ldap://x}"),
  ]) {
    cases.push([`a field called ${name}`, field("x", JSON.stringify(name).replace("\\\\", "\\"))]);
  }
  return cases;
}
