import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import * as z from "zod";
import { readSheet, readSheets } from "../../../bridge/mapping/sheet-file.ts";
import { sheetJsonSchema } from "../../../bridge/model/sheet-document.ts";
import { issueText } from "../../../bridge/values/yaml-file.ts";
import { aCatalog } from "../../support/builders.ts";
import { cpuMs } from "../../support/cpu-time.ts";
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

/** Returns the issues of a sheet as `file:line: message`. */
function issuesOf(text: string): string[] {
  const reading = readSheet("mappings/x.yaml", text);
  return reading.ok ? [] : reading.issues.map(issueText);
}

describe("a sheet", { tags: "row-20" }, () => {
  it("compiles from the eleven lines of the per diem example", () => {
    const reading = readSheet("mappings/per_diem.yaml", perDiemSheet);

    if (!reading.ok) throw new Error(reading.issues.map(issueText).join("\n"));
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

  it("compiles with every key it can have, and locates each by its line", () => {
    const reading = readSheet("mappings/full.yaml", full);

    if (!reading.ok) throw new Error(reading.issues.map(issueText).join("\n"));
    expect(reading.sheet.windowMs).toBe(90_000);
    expect(reading.sheet.targets[0]).toMatchObject({
      send: "full",
      from: Date.parse("2026-12-01T00:00:00Z"),
      plain: false,
    });
    expect(reading.lineOf(["targets", "hr", "map", "effectiveDate"])).toBe(14);
  });

  it("keeps its hash if only comments or examples change, and changes it with any mapping", () => {
    const hashOf = (text: string) => {
      const reading = readSheet("mappings/x.yaml", text);
      return reading.ok ? reading.sheet.hash : undefined;
    };

    expect(hashOf(`# another comment\n${perDiemSheet}`)).toBe(hashOf(perDiemSheet));
    expect(hashOf(`${perDiemSheet}examples: []\n`)).toBe(hashOf(perDiemSheet));
    expect(hashOf(perDiemSheet.replace("dailyRate", "hourlyRate"))).not.toBe(hashOf(perDiemSheet));
  });

  it.each<[string, string, string]>([
    ["an empty file", "", 'mappings/x.yaml:1: the sheet is empty; start with "source_event:" and "targets:"'],
    ["a list", "- a", 'mappings/x.yaml:1: the sheet is empty; start with "source_event:" and "targets:"'],
    [
      "a missing event type",
      "targets: { a: { connector: A, map: { x: y } } }",
      "source_event is missing; name the event type",
    ],
    ["missing targets", "source_event: t", "targets is missing; add at least one target"],
    ["empty targets", "source_event: t\ntargets: {}", "mappings/x.yaml:2: targets is empty; add at least one target"],
    [
      "a missing connector",
      "source_event: t\ntargets:\n  a:\n    map: { x: y }",
      "mappings/x.yaml:3: connector is missing; name a connector",
    ],
    [
      "a missing map",
      "source_event: t\ntargets:\n  a:\n    connector: A",
      'mappings/x.yaml:3: a maps no field; add "map:"',
    ],
    ["an unknown key", `${perDiemSheet}sorce: x`, 'mappings/x.yaml:12: unknown key "sorce"; known here'],
    [
      "a misspelled key",
      perDiemSheet.replace("source_event", "source_evnt"),
      'mappings/x.yaml:2: unknown key "source_evnt"; did you mean "source_event"?',
    ],
    [
      "a misspelled key of a target",
      perDiemSheet.replace("    connector: G", "    conector: G"),
      'mappings/x.yaml:9: unknown key "conector"; did you mean "connector"?',
    ],
    [
      "a misspelled key of a field",
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
      "two fields that map to one",
      perDiemSheet.replace("      new_rate: dailyRate", "      new_rate: a\n      other: a"),
      "mappings/x.yaml:8: other and new_rate both map to a; keep one",
    ],
    [
      "a target field inside another",
      perDiemSheet.replace("      new_rate: dailyRate", "      new_rate: a\n      other: a.b"),
      "mappings/x.yaml:8: other maps to a.b, which conflicts with a",
    ],
    [
      "a fixed field that is also mapped",
      perDiemSheet.replace("      new_rate: dailyRate", "      new_rate: a\n    set: { a: 1 }"),
      "both map to a; keep one",
    ],
    ["a duplicate key", `${perDiemSheet}source_event: y`, "mappings/x.yaml:12: duplicate key; keep only one"],
    [
      "an invalid consistency window",
      `${perDiemSheet}consistency_window: soon`,
      "mappings/x.yaml:12: consistency_window is not a duration such as",
    ],
    ["an invalid expression", `${perDiemSheet}when: "data.("`, 'mappings/x.yaml:12: "data.(" does not compile'],
    [
      "an invalid expression in a field",
      perDiemSheet.replace("dailyRate", "{ to: a, with: '$(' }"),
      'mappings/x.yaml:7: "$(" does not compile',
    ],
    [
      "a regex that could run forever",
      perDiemSheet.replace("dailyRate", "{ to: a, with: '$match($, /(a)\\1/)' }"),
      "mappings/x.yaml:7: ",
    ],
    [
      "an invalid time",
      perDiemSheet.replace("    map:", "    from: tomorrow\n    map:"),
      "mappings/x.yaml:6: from is not a time such as 2026-12-01T00:00:00Z",
    ],
    [
      "an end before the start",
      perDiemSheet.replace("    map:", "    from: 2026-12-02T00:00:00Z\n    until: 2026-12-01T00:00:00Z\n    map:"),
      "mappings/x.yaml:7: until is not after from",
    ],
    [
      "an invalid send mode",
      perDiemSheet.replace("    map:", "    send: some\n    map:"),
      'mappings/x.yaml:6: send is neither "changed" nor "full"',
    ],
    [
      "an invalid connector name",
      perDiemSheet.replace("PayrollConnector", "../payroll"),
      "mappings/x.yaml:5: connector is not a connector's name",
    ],
    [
      "an invalid target name",
      perDiemSheet.replace("payroll:", "Pay Roll:"),
      "mappings/x.yaml:4: Pay Roll: is not a target's name",
    ],
    ["invalid YAML", "source_event: [a", "invalid YAML"],
    ["a tab as indentation", "source_event: t\n\ttargets: x", "invalid YAML"],
    [
      "an example without a name",
      `${perDiemSheet}examples: [{ event: { type: t }, expect: {} }]`,
      "name is missing; describe what the example shows",
    ],
  ])("gets an issue for %s, with the line and a remedy", (_, text, expected) => {
    const issues = issuesOf(text);

    expect(issues.join("\n")).toContain(expected);
    expect(issues.every((issue) => /^mappings\/x\.yaml:\d+: /.test(issue))).toBe(true);
  });

  it("gets all issues of all files in one list, including unknown and ambiguous connectors", async () => {
    const policy = { otherwise: "block", rules: [] } as const;
    const catalog = aCatalog("PayrollConnector", "WorkForceNow@v1", "WorkForceNow@v2");
    const otherType = perDiemSheet.replace("policy.per_diem.updated", "policy.per_diem.ended");
    const files = [
      { file: "mappings/a.yaml", text: perDiemSheet },
      { file: "mappings/b.yaml", text: perDiemSheet.replaceAll(/PayrollConnector|GISTableConnector/g, "WorkForceNow") },
      { file: "mappings/c.yaml", text: otherType.replace("GISTableConnector", "PayrollConnector@v1") },
      { file: "mappings/c.yml", text: otherType.replace(/ {2}gis:[\s\S]*/, "") },
    ];

    const { issues, warnings } = await readSheets(files, catalog, { ...policy, rules: [] });

    expect(issues.map(issueText)).toEqual([
      "mappings/a.yaml:9: no connector is called GISTableConnector; installed: PayrollConnector@v1, WorkForceNow@v1, WorkForceNow@v2",
      "mappings/b.yaml:9: gis and payroll both go to WorkForceNow@v1; merge them into one target",
      "mappings/c.yaml:9: gis and payroll both go to PayrollConnector@v1; merge them into one target",
      expect.stringMatching(/^mappings\/c\.yml:\d+: mappings\/c\.yaml has the same name/),
    ]);
    expect(warnings.map(issueText)).toContain(
      "mappings/b.yaml:5: WorkForceNow has several versions and refers to WorkForceNow@v1; write WorkForceNow@v1 or WorkForceNow@v2",
    );
  });

  it("gets an issue for each example that fails", async () => {
    const text = perDiemSheet.replace(
      / {2}gis:[\s\S]*/,
      "examples:\n  - name: raises\n    event: { type: policy.per_diem.updated, data: { new_rate: 68 } }\n    expect: { payroll: { dailyRate: 69 } }\n",
    );

    const { issues } = await readSheets([{ file: "mappings/a.yaml", text }], aCatalog("PayrollConnector"), {
      otherwise: "block",
      rules: [],
    });

    expect(issues.map(issueText).join()).toMatch(
      /mappings\/a\.yaml:\d+: the example "raises" fails: payroll: dailyRate not as expected/,
    );
  });

  it("has a JSON Schema that accepts valid sheets and refuses invalid ones", () => {
    const schema = z.fromJSONSchema(sheetJsonSchema() as never);

    expect(schema.safeParse(parse(perDiemSheet)).success).toBe(true);
    expect(schema.safeParse(parse(full)).success).toBe(true);
    expect(schema.safeParse(parse(perDiemSheet.replace("source_event", "source"))).success).toBe(false);
    expect(schema.safeParse(parse(perDiemSheet.replace("connector: P", "conector: P"))).success).toBe(false);
  });
});

describe("the sheet reader on hostile sheets", { tags: "row-28" }, () => {
  const hostile = hostileSheets();

  it("covers at least 50 kinds of attack", () => {
    expect(new Set(hostile.map(([name]) => name)).size).toBe(hostile.length);
    expect(hostile.length).toBeGreaterThanOrEqual(50);
  });

  it.each(hostile)("refuses %s or reads it as plain data, in time and without side effects", (_, text) => {
    const began = cpuMs();

    const reading = readSheet("mappings/x.yaml", text);

    expect(cpuMs() - began).toBeLessThan(5_000);
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    if (!reading.ok) {
      expect(reading.issues.length).toBeGreaterThan(0);
      for (const issue of reading.issues) {
        expect(issueText(issue).length).toBeLessThan(5_000);
        expect(issue.line).toBeGreaterThanOrEqual(1);
      }
    }
  });

  it("raises no process warning, which would contain a piece of the text", async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on("warning", listen);

    readSheet("x.yaml", "source_event: t\n? { a: secret }\n: 1\n");
    await new Promise(setImmediate);

    process.off("warning", listen);
    expect(warnings).toEqual([]);
  });

  it("reads or refuses random text without throwing", { tags: "row-27" }, () => {
    const word = fc.constantFrom(
      ...["source_event", "targets", "map", "a", "&a", "*a", "!!", "<<"],
      ...[": ", "\n", "  ", "- ", "{", "}", "[", "]", "'", '"', "|", "#", "?", ","],
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

/** Sheets by what is hostile about them. */
type HostileSheets = readonly (readonly [name: string, text: string])[];

function hostileSheets(): HostileSheets {
  return [
    ...aliasBombs(),
    ...largeAndDeepYaml(),
    ...oddYaml(),
    ...yamlTags(),
    ...prototypeKeys(),
    ...hostileExpressions(),
    ...hostileFieldNames(),
  ];
}

/** Returns a valid sheet with more YAML at its end. */
function sheetWith(more: string): string {
  return `source_event: t\ntargets: { a: { connector: A, map: { x: y } } }\n${more}`;
}

/** Returns a sheet that maps one field. */
function sheetMapping(from: string, to: string): string {
  return `source_event: t\ntargets:\n  a:\n    connector: A\n    map:\n      ${from}: ${to}\n`;
}

function aliasBombs(): HostileSheets {
  const bomb = [
    "a: &a [x,x,x,x,x,x,x,x,x]",
    ...[..."bcdefghij"].map((name, i) => `${name}: &${name} [${Array(9).fill(`*${"abcdefghij"[i]}`).join(",")}]`),
  ].join("\n");
  return [
    ["a billion laughs", bomb],
    ["a billion laughs in its set", sheetWith(`set: &a [&b [*b]]\n${bomb}`)],
    ["an alias of itself", "source_event: &a [*a]\ntargets: {}"],
    ["an alias without an anchor", "source_event: *nobody"],
    ["10,000 aliases", `a: &a x\nb: [${Array(10_000).fill("*a").join(",")}]`],
  ];
}

function largeAndDeepYaml(): HostileSheets {
  return [
    ["lists 30,000 deep", "[".repeat(30_000)],
    ["closed lists 30,000 deep", `${"[".repeat(30_000)}${"]".repeat(30_000)}`],
    ["maps 15,000 deep", "{a: ".repeat(15_000)],
    ["blocks nested 300 deep", Array.from({ length: 300 }, (_, i) => `${" ".repeat(i)}a:`).join("\n")],
    ["30,000 dashes", "- ".repeat(30_000)],
    ["30,000 question marks", "? ".repeat(30_000)],
    ["one word of 64 KiB", "a".repeat(65_536)],
    ["one word of 64 KiB and a byte", "a".repeat(65_537)],
    ["a value of 1 MiB", `source_event: ${"a".repeat(1_048_576)}`],
    ["60,000 line breaks", "\n".repeat(60_000)],
    ["8,000 keys", Array.from({ length: 8_000 }, (_, i) => `k${i}: 1`).join("\n")],
  ];
}

function oddYaml(): HostileSheets {
  return [
    ["a merge key", sheetWith("<<: { polluted: 1 }")],
    ["a map as a key", sheetWith("? { a: 1 }\n: 2")],
    ["a NUL character", "source_event: a\u0000b"],
    ["a byte order mark", `\ufeff${sheetWith("")}`],
    ["a lone surrogate", 'source_event: "\\ud800"\ntargets: {}'],
    ["a duration of 20 digits", sheetWith("consistency_window: 99999999999999999999s")],
    ["infinity", sheetWith("key: .inf")],
    ["not a number", sheetWith("set: .nan")],
    ["a tag directive", `%TAG ! tag:evil,2026:\n---\n${sheetWith("")}`],
    ["two documents", `${sheetWith("")}---\n${sheetWith("")}`],
  ];
}

function yamlTags(): HostileSheets {
  const tags = [
    "!!js/function",
    "!!python/object/apply:os.system",
    "!!binary",
    "!!set",
    "!!timestamp",
    "!!map",
    "!ruby/object:Gem",
  ];
  return tags.map((tag) => [`the tag ${tag}`, `source_event: ${tag} "x"\ntargets: {}`]);
}

function prototypeKeys(): HostileSheets {
  const targetsOf = (targets: string) => `source_event: t\ntargets: { ${targets} }`;
  return ["__proto__", "constructor", "prototype"].flatMap(
    (key): HostileSheets => [
      [`the key ${key} at the top`, sheetWith(`${key}: { polluted: true }`)],
      [`the target ${key}`, targetsOf(`${key}: { connector: A, map: { x: y } }`)],
      [`the field ${key}`, sheetMapping(key, "y")],
      [`a path to ${key}`, sheetMapping("x", `a.${key}.polluted`)],
      [`a path from ${key}`, sheetMapping(`${key}.polluted`, "y")],
      [`a fixed field ${key}`, targetsOf(`a: { connector: A, map: { x: y }, set: { ${key}: { polluted: 1 } } }`)],
      [`a record key ${key}`, sheetWith(`key: data.${key}`)],
    ],
  );
}

function hostileExpressions(): HostileSheets {
  const sources = [
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
  ];
  return sources.map((source) => [
    `the expression ${source.slice(0, 30)}`,
    sheetMapping("x", `{ to: y, with: ${JSON.stringify(source)} }`),
  ]);
}

function hostileFieldNames(): HostileSheets {
  const names = [
    "'; DROP TABLE packets; --",
    "a\\r\\nx-evil: 1",
    "../../etc/passwd",
    "=cmd|calc!A1",
    "<script>",
    "$".concat("{jndi:ldap://x}"),
  ];
  return names.map((name) => [`a field called ${name}`, sheetMapping("x", JSON.stringify(name).replace("\\\\", "\\"))]);
}
