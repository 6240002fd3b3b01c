import { describe, expect, it } from "vitest";
import { importCircles } from "../../lint/rules/import-circles.ts";
import { offenders } from "./offenders.ts";

describe("import circles", () => {
  it("finds a circle closed only by types, with all its files and a shortest path", () => {
    const files = {
      "bridge/a.ts": 'import { b } from "./b.ts";\nexport interface A { readonly b: typeof b }',
      "bridge/b.ts": 'import { c } from "./c.ts";\nexport const b = c;',
      "bridge/c.ts": '\nimport type { A } from "./a.ts";\nexport const c = {} as A;',
    };

    expect(offenders(importCircles, files)).toEqual([
      "bridge/a.ts:1: 3 files import each other: bridge/a.ts, bridge/b.ts, bridge/c.ts. " +
        "Shortest path from here: bridge/a.ts → bridge/b.ts → bridge/c.ts → bridge/a.ts",
    ]);
  });

  it.each([
    ["export … from", 'export { a } from "./a.ts";'],
    ["export type … from", 'export type { A } from "./a.ts";'],
    ["export *", 'export * from "./a.ts";'],
    ["import()", 'export const later = () => import("./a.ts");'],
    ["the type import()", 'export type Later = import("./a.ts").A;'],
    ["import for effect", 'import "./a.ts";'],
  ])("counts %s as an import", (_, text) => {
    const files = { "a.ts": 'import { b } from "./b.ts";\nexport const a = b;', "b.ts": text };

    expect(offenders(importCircles, files)).toHaveLength(1);
  });

  it("reports two circles separately", () => {
    const files = {
      "a.ts": 'import "./b.ts";',
      "b.ts": 'import "./a.ts"; import "./c.ts";',
      "c.ts": 'import "./d.ts";',
      "d.ts": 'import "./c.ts";',
    };

    expect(offenders(importCircles, files)).toHaveLength(2);
  });

  it("finds a file that imports itself", () => {
    expect(offenders(importCircles, { "a.ts": 'import type { A } from "./a.ts"; export interface A {}' })).toHaveLength(
      1,
    );
  });

  it("accepts two paths to one file and an import in a comment", () => {
    const files = {
      "a.ts": 'import "./b.ts"; import "./c.ts";',
      "b.ts": 'import "./c.ts";',
      "c.ts": '// import "./a.ts";',
    };

    expect(offenders(importCircles, files)).toEqual([]);
  });
});
