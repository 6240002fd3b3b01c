import canonicalize from "canonicalize";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson, sortKeys } from "../../../bridge/values/canonical-json.ts";
import type { Json } from "../../../bridge/values/json.ts";

const values = fc.jsonValue({ maxDepth: 4 }).map((value) => value as Json);
/** Objects with keys that JavaScript reorders, or that sort differently by code point than by code unit. */
const awkward = fc.dictionary(
  fc.constantFrom("a", "b", "A", "10", "9", "-1", "é", "\u{1f600}", "\ufb33", ""),
  fc.oneof(values, fc.constantFrom(-0, 1e21, 1e-7, 0.1, "\u2028", '"\\')),
);

describe("canonical JSON", () => {
  it("matches RFC 8785 for any order of keys", () => {
    fc.assert(
      fc.property(fc.oneof(values, awkward), (value) => {
        expect(canonicalJson(value)).toBe(canonicalize(value));
        expect(canonicalJson(sortKeys(value))).toBe(canonicalize(value));
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ["a lone surrogate", { a: "\ud800" }],
    ["a lone surrogate in a key", { "\udc00": 1 }],
    ["NaN", { a: [Number.NaN] }],
    ["infinity", Number.POSITIVE_INFINITY],
  ])("throws an error for %s", (_, value) => {
    expect(() => canonicalJson(value)).toThrow();
  });

  it("leaves out undefined and inherited properties, as JSON does", () => {
    expect(canonicalJson({ a: 1, b: undefined, c: [undefined] })).toBe('{"a":1,"c":[null]}');
    expect(canonicalJson(Object.assign(Object.create({ inherited: 1 }), { a: new Date(0) }))).toBe(
      '{"a":"1970-01-01T00:00:00.000Z"}',
    );
  });
});
