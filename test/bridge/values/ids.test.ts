import { createSecretKey } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keyedHash, shortId } from "../../../bridge/values/ids.ts";
import { aKey } from "../../support/builders.ts";

describe("an id", () => {
  it("never changes for the same parts, because ids are stored for years", () => {
    expect(shortId("hms.policy", "c-1")).toBe(shortId("hms.policy", "c-1"));
    expect(shortId()).toMatchInlineSnapshot(`"4oymiquy7qobjgx3"`);
    expect(shortId("a", "b")).toMatch(/^[a-z2-7]{16}$/);
  });

  it("differs for different lists of parts", () => {
    const parts = fc.array(fc.string(), { maxLength: 4 });
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        expect(shortId(...a) === shortId(...b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
      { numRuns: 1_000 },
    );
    expect(shortId("ab", "c")).not.toBe(shortId("a", "bc"));
    expect(shortId("1:a")).not.toBe(shortId("1", "a"));
    expect(shortId("")).not.toBe(shortId());
  });
});

describe("a keyed hash", () => {
  it("depends on the key", () => {
    const other = createSecretKey(Buffer.alloc(32, 8));

    expect(keyedHash(aKey, "123-45-6789")).toMatch(/^[a-z2-7]{26}$/);
    expect(keyedHash(aKey, "123-45-6789")).toBe(keyedHash(aKey, "123-45-6789"));
    expect(keyedHash(aKey, "123-45-6789")).not.toBe(keyedHash(other, "123-45-6789"));
    expect(keyedHash(aKey, "a", "b")).not.toBe(keyedHash(aKey, "ab"));
  });
});
