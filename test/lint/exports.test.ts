import { describe, expect, it } from "vitest";
import { forwardingFiles } from "../../lint/rules/forwarding-files.ts";
import { typeNames } from "../../lint/rules/type-names.ts";
import { offenders } from "./offenders.ts";

describe("names of exported types", () => {
  it.each([
    "export interface Place {}",
    "export class Place {}",
    "export enum Place { A }",
    "type Place = 1; export type { Place };",
  ])("finds a second type with the same name: %s", (text) => {
    const files = { "bridge/model/a.ts": "\nexport type Place = 1;", "bridge/jobs/b.ts": text };

    expect(offenders(typeNames, files)).toEqual(["bridge/jobs/b.ts:1: Place is also exported by bridge/model/a.ts"]);
  });

  it("accepts a private name, a name exported outside bridge/, and declarations merged in one file", () => {
    const files = {
      "bridge/model/a.ts": "export interface Place {}\nexport class Place {}\nexport const Other = 1;",
      "bridge/jobs/b.ts": "interface Place {}\nexport type Other = Place;",
      "ops/c.ts": "export interface Place {}",
    };

    expect(offenders(typeNames, files)).toEqual([]);
  });
});

describe("forwarding files", () => {
  it.each([
    'export { a } from "./a.ts";',
    'export * from "./a.ts";',
    'export type { A } from "./a.ts";\nexport { b } from "./b.ts";',
    'import { a } from "./a.ts";\nexport { a };',
  ])("finds a file with nothing but: %s", (text) => {
    expect(offenders(forwardingFiles, { "ops/forward.ts": text })).toHaveLength(1);
  });

  it.each([
    ["index.ts", 'export { a } from "./ops/a.ts";'],
    ["ops/a.ts", 'export { b } from "./b.ts";\nexport const a = 1;'],
    ["cli/main.ts", 'import "./bridge.ts";'],
    ["ops/a.ts", "const a = 1;\nexport { a };"],
  ])("accepts %s with: %s", (path, text) => {
    expect(offenders(forwardingFiles, { [path]: text })).toEqual([]);
  });
});
