import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Json, jsonEqual, jsonIssue } from "../../../bridge/values/json.ts";

describe("the check for unsafe JSON", () => {
  it.each<[string, unknown, string]>([
    ["a lone surrogate", { a: ["\ud800"] }, "a[0]: not well-formed Unicode"],
    ["infinity", { a: Number.POSITIVE_INFINITY }, "a: not a finite number"],
    ["a prototype key", { a: JSON.parse('{"__proto__":1}') }, 'a: the key "__proto__" is not allowed'],
    ["a function", { a: () => {} }, "a: not JSON"],
    ["undefined in a list", [undefined], "[0]: not JSON"],
    ["a bigint", 1n, "the value: not JSON"],
    ["a problem below a key that could be data", { "a@b.example": { x: Number.NaN } }, "….x: not a finite number"],
  ])("reports %s with its path", (_, value, message) => {
    expect(jsonIssue(value)).toBe(message);
  });

  it("accepts 64 levels of nesting and refuses more", () => {
    const nested = (levels: number): Json => (levels === 0 ? 1 : [nested(levels - 1)]);

    expect(jsonIssue(nested(64))).toBeUndefined();
    expect(jsonIssue(nested(65))).toMatch(/nested deeper than 64 levels$/);
  });

  it("accepts any other JSON value", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const issue = jsonIssue(value);
        if (issue) expect(JSON.stringify(value)).toMatch(/\\ud|__proto__|constructor|prototype/);
      }),
    );
  });
});

describe("JSON equality", () => {
  it("ignores the order of keys", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        const [x, y] = [JSON.parse(JSON.stringify(a)) as Json, JSON.parse(JSON.stringify(b)) as Json];
        expect(jsonEqual(x, structuredClone(x))).toBe(true);
        expect(jsonEqual(x, y)).toBe(jsonEqual(y, x));
        if (jsonEqual(x, y)) expect(x).toEqual(y);
      }),
    );
    expect(jsonEqual({ a: 1, b: 2 }, { b: 2, a: 1 })).toBe(true);
  });

  it.each<[Json | undefined, Json | undefined]>([
    [1, "1"],
    [null, undefined],
    [null, {}],
    [[], {}],
    [{}, []],
    [
      [1, 2],
      [2, 1],
    ],
    [{ a: 1 }, { a: 1, b: 2 }],
    [{ toString: 1 }, {}],
    [{ a: null }, { b: null }],
  ])("distinguishes %j from %j", (a, b) => {
    expect(jsonEqual(a, b)).toBe(false);
    expect(jsonEqual(b, a)).toBe(false);
  });
});
