import canonicalize from "canonicalize";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson, inOrder } from "../../../bridge/values/canonical-json.ts";
import type { Json } from "../../../bridge/values/json.ts";

/** With keys that objects do not keep in the order they were given, and that code points would order otherwise. */
const values = fc.jsonValue({ maxDepth: 4 }).map((value) => value as Json);
const awkward = fc.dictionary(
  fc.constantFrom("a", "b", "A", "10", "9", "-1", "é", "\u{1f600}", "\ufb33", ""),
  fc.oneof(values, fc.constantFrom(-0, 1e21, 1e-7, 0.1, "\u2028", '"\\')),
);

describe("canonical JSON", () => {
  it("is what RFC 8785 says, in whatever order the keys stand", () => {
    fc.assert(
      fc.property(fc.oneof(values, awkward), (value) => {
        expect(canonicalJson(value)).toBe(canonicalize(value));
        expect(canonicalJson(inOrder(value))).toBe(canonicalize(value));
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ["a lone surrogate", { a: "\ud800" }],
    ["a key that is none either", { "\udc00": 1 }],
    ["a number that is none", { a: [Number.NaN] }],
    ["one without an end", Number.POSITIVE_INFINITY],
  ])("is refused for %s", (_, value) => {
    expect(() => canonicalJson(value)).toThrow();
  });

  it("leaves out what JSON leaves out", () => {
    expect(canonicalJson({ a: 1, b: undefined, c: [undefined] })).toBe('{"a":1,"c":[null]}');
    expect(canonicalJson(Object.assign(Object.create({ inherited: 1 }), { a: new Date(0) }))).toBe(
      '{"a":"1970-01-01T00:00:00.000Z"}',
    );
  });
});
