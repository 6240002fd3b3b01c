import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { covers, rowOf } from "../lint/import-row.ts";
import { importTable } from "../lint/import-table.ts";
import { importsOf } from "../lint/imports.ts";
import { readTree } from "../lint/read-tree.ts";
import { corePurity } from "../lint/rules/core-purity.ts";
import { fileRows } from "../lint/rules/file-rows.ts";
import { importOrder } from "../lint/rules/import-order.ts";

const sources = readTree(join(import.meta.dirname, ".."));
const strays = importOrder.check(sources);

describe("the import table", () => {
  it.each(importTable)("lets $folder import only what its row allows, types included", (row) => {
    const files = sources.map(({ path }) => path).filter((path) => rowOf(path) === row);

    expect(files.length).toBeGreaterThan(0);
    expect(strays.filter(({ file }) => files.includes(file))).toEqual([]);
  });

  it("covers every source file", () => {
    expect(fileRows.check(sources)).toEqual([]);
  });

  it("has one row per folder", () => {
    const folders = importTable.map(({ folder }) => folder);

    expect(folders).toEqual([...new Set(folders)]);
  });

  it.each(importTable)(
    "lists for $folder only files that exist, in folders of a lower number",
    ({ order, imports }) => {
      const listed = imports.map((pattern) => {
        const orders = sources.filter(({ path }) => covers(pattern, path)).map(({ path }) => rowOf(path)?.order);
        return { pattern, highest: Math.max(...orders.map((one) => one ?? Number.POSITIVE_INFINITY)) };
      });

      expect(listed.filter(({ highest }) => !(highest >= 0 && highest < order))).toEqual([]);
    },
  );

  it("keeps clock, chance, process and network out of bridge/", () => {
    expect(corePurity.check(sources)).toEqual([]);
  });

  it("reads the whole tree, and every import of a file", () => {
    const own = sources.find(({ path }) => path === "test/import-table.test.ts");

    expect(own && importsOf(own).map(({ name }) => name)).toEqual([
      "node:path",
      "vitest",
      "lint/import-row.ts",
      "lint/import-table.ts",
      "lint/imports.ts",
      "lint/read-tree.ts",
      "lint/rules/core-purity.ts",
      "lint/rules/file-rows.ts",
      "lint/rules/import-order.ts",
    ]);
    expect(sources.length).toBeGreaterThan(500);
    expect(sources.filter(({ path }) => path.startsWith("bridge/")).length).toBeGreaterThan(80);
    expect(sources.flatMap(importsOf).length).toBeGreaterThan(2_000);
  });
});
