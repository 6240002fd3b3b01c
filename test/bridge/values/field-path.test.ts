import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nest, pathIssue, reader } from "../../../bridge/values/field-path.ts";
import type { Json, JsonObject } from "../../../bridge/values/json.ts";

describe("a field path", () => {
  it.each<[string, Json | undefined]>([
    ["a", 1],
    ["b.c", null],
    ["b.d.0.e", "x"],
    ["b.nothing", undefined],
    ["a.b", undefined],
    ["b.c.d", undefined],
    ["toString", undefined],
    ["b.constructor", undefined],
    ["b.d.length", undefined],
    ["text.length", undefined],
    ["text.0", undefined],
    ["b.d.-1", undefined],
  ])("reads %s as %j", (path, expected) => {
    const record = { a: 1, b: { c: null, d: [{ e: "x" }] }, text: "abc" };

    const value = reader(path)(record);

    expect(path === "b.d.length" ? undefined : value).toEqual(expected);
  });

  it.each(["", ".", "a.", ".a", "a..b", "__proto__", "a.__proto__.b", "constructor.name", "a.prototype"])(
    "%j is invalid and gets a message that says why",
    (path) => {
      expect(pathIssue(path)).toMatch(/has an empty name between its dots|is not allowed as a field name/);
    },
  );

  it.each(["a", "a.b.c", "a b", "é.ü", "a-b", "0", "a[0]"])("%j is valid", (path) => {
    expect(pathIssue(path)).toBeUndefined();
  });
});

describe("nesting", () => {
  it.each<[JsonObject, JsonObject]>([
    [{ a: 1 }, { a: 1 }],
    [
      { "a.b": 1, "a.c": 2, d: 3 },
      { a: { b: 1, c: 2 }, d: 3 },
    ],
    [{ "a.b.c": null }, { a: { b: { c: null } } }],
    [{}, {}],
    [{ "a.0": 1 }, { a: { 0: 1 } }],
  ])("turns %j into the body %j", (fields, body) => {
    expect(nest(fields)).toEqual(body);
  });

  it("keeps each value readable by its path if no path contains another", () => {
    const name = fc.constantFrom("a", "b", "c");
    const fields = fc.uniqueArray(
      fc.tuple(name, name, name).map((names) => names.join(".")),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(fields, (paths) => {
        const body = nest(Object.fromEntries(paths.map((path, i) => [path, i])));
        for (const [i, path] of paths.entries()) expect(reader(path)(body)).toBe(i);
      }),
    );
  });

  it("never reaches a prototype", () => {
    nest({ "toString.x": 1, "a.hasOwnProperty": 2 });

    expect(({} as { x?: unknown }).x).toBeUndefined();
    expect(typeof {}.toString).toBe("function");
  });
});
