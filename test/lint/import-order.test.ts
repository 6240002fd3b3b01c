import { describe, expect, it } from "vitest";
import { fileRows } from "../../lint/rules/file-rows.ts";
import { importOrder } from "../../lint/rules/import-order.ts";
import { offenders } from "./offenders.ts";

const empty = "export {};";

describe("import order", () => {
  it("finds an import of a later folder, even if only of its types", () => {
    const files = {
      "bridge/model/event.ts": 'import type { Sheet } from "../mapping/sheet.ts";',
      "bridge/mapping/sheet.ts": empty,
    };

    expect(offenders(importOrder, files)).toEqual([
      "bridge/model/event.ts:1: bridge/model (3) imports bridge/mapping/sheet.ts of bridge/mapping (8), which comes later in the order",
    ]);
  });

  it("finds an import of a folder with the same number", () => {
    const files = { "platform/aws/a.ts": 'import "../local/b.ts";', "platform/local/b.ts": empty };

    expect(offenders(importOrder, files)).toEqual([
      "platform/aws/a.ts:1: platform/aws (20) imports platform/local/b.ts of platform/local (20), which has the same number",
    ]);
  });

  it("finds an import of an earlier folder that the row does not list", () => {
    const files = { "ops/app.ts": 'import "../platform/clock.ts";', "platform/clock.ts": empty };

    expect(offenders(importOrder, files)).toEqual([
      "ops/app.ts:1: ops (21) imports platform/clock.ts of platform/* (19), which its row does not list",
    ]);
  });

  it.each([
    ["bridge/model/a.ts", "node:fs"],
    ["bridge/model/a.ts", "undici"],
    ["console/a.ts", "zod"],
    ["index.ts", "zod"],
    ["ops/a.ts", "#connector"],
  ])("finds that %s imports the package %s", (path, name) => {
    expect(offenders(importOrder, { [path]: `import "${name}";` })).toHaveLength(1);
  });

  it.each([
    ["bridge/model/a.ts", "zod"],
    ["console/a.tsx", "@preact/signals"],
    ["console/a.tsx", "./style.css"],
    ["functions/connector.ts", "#connector"],
    ["cli/bridge.ts", "../package.json"],
  ])("lets %s import %s", (path, name) => {
    expect(offenders(importOrder, { [path]: `import "${name}";` })).toEqual([]);
  });

  it.each([
    'import type { A } from "../ops/problem.js";',
    'import "../ops/problem.ts?raw";',
    "void import(`../ops/problem.ts`);",
    'export {} from "../ops/problem.ts";',
    'import problem = require("../ops/problem.ts");',
    'void import("../ops/" + name);',
    'export type A = import("../ops/problem.ts").A;',
  ])("finds the disguised import in %s", (statement) => {
    expect(offenders(importOrder, { "platform/clock.ts": statement, "ops/problem.ts": empty })).toHaveLength(1);
  });

  it("lets a folder import itself, a listed earlier folder and a listed file", () => {
    const files = {
      "bridge/engine.ts": 'import "./model/event.ts";',
      "bridge/model/event.ts": 'import "./packet.ts"; import "../values/json.ts";',
      "bridge/model/packet.ts": empty,
      "bridge/values/json.ts": empty,
      "functions/mapper.ts": 'import "../platform/compliance-client.ts"; import "../bridge/engine.ts";',
      "platform/compliance-client.ts": empty,
    };

    expect(offenders(importOrder, files)).toEqual([]);
  });

  it("resolves the package's own name to index.ts", () => {
    const files = { "library/a.ts": 'import { Event } from "hms-bridge";', "index.ts": empty };

    expect(offenders(importOrder, files)).toEqual([
      "library/a.ts:1: library (25) imports index.ts of index.ts (26), which comes later in the order",
    ]);
  });
});

describe("rows of files", () => {
  it.each([
    "bridge/loose.ts",
    "bridge/new-folder/a.ts",
    "connectors/protocols/new/a.ts",
    "connectors/new/a.ts",
    "stray.js",
    "bridge/values/a.mts",
    "test/support/a.mjs",
  ])("finds that %s has no row", (path) => {
    expect(offenders(fileRows, { [path]: empty })).toHaveLength(1);
  });

  it.each([
    "bridge/engine.ts",
    "connectors/payroll.ts",
    "test/support/core.ts",
    "console/parts/icon.tsx",
    "cli/main.js",
  ])("finds a row for %s", (path) => {
    expect(offenders(fileRows, { [path]: empty })).toEqual([]);
  });
});
