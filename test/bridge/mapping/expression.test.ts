import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { compileExpression, ExpressionError } from "../../../bridge/mapping/expression.ts";
import type { Json } from "../../../bridge/values/json.ts";
import { noon } from "../../support/builders.ts";
import { cpuMs } from "../../support/cpu-time.ts";

async function evaluate(source: string, input: Json = {}): Promise<Json | undefined> {
  return compileExpression(source).evaluate(input, noon);
}

describe("an expression", () => {
  it.each<[string, Json, Json | undefined]>([
    ["$", 5, 5],
    ["$substring($, 0, 10)", "2026-12-01T00:00:00Z", "2026-12-01"],
    ["$uppercase($)", "abc", "ABC"],
    ["a.b", { a: { b: null } }, null],
    ["a.c", { a: {} }, undefined],
    ["[a, 1]", { a: 2 }, [2, 1]],
    ['{"x": a}', { a: 1 }, { x: 1 }],
    ["$pad($, 5, '0')", "7", "70000"],
    ["$pad($, -5, '0')", "7", "00007"],
    ["$pad($, -3)", "7", "  7"],
    ["$replace($, /[^0-9]/, '')", "+1 (202) 555", "1202555"],
    ["$match($, /(\\d+)-(\\d+)/).groups", "10-20", ["10", "20"]],
    ["$split($, /,\\s*/)", "a, b,c", ["a", "b", "c"]],
    ["$contains($, /^A/i)", "abc", true],
    ["$sum(x)", { x: [1, 2, 3] }, 6],
    ["$now()", null, "2026-03-01T12:00:00.000Z"],
    ["$millis()", null, noon],
    ["$count([1..1000])", null, 1_000],
    ["$distinct([1, 2, 1, '1', {'a': 1, 'b': 2}, {'b': 2, 'a': 1}])", null, [1, 2, "1", { a: 1, b: 2 }]],
    ["$distinct(x.y)", { x: [{ y: 1 }, { y: 1 }] }, 1],
    ["$distinct([1, 1])", null, [1]],
    ["$distinct($)", "a", "a"],
  ])("evaluates %s as JSONata does", async (source, input, expected) => {
    expect(await evaluate(source, input)).toEqual(expected);
  });

  it("reads its bindings as variables", async () => {
    const result = await compileExpression("$data.a & $event.id").evaluate(null, noon, {
      data: { a: "x" },
      event: { id: "1" },
    });

    expect(result).toBe("x1");
  });

  it.each([
    "$now(",
    "a..b..",
    "/(a)\\1/",
    "$match($, /(?=a)b/)",
    "x".repeat(4_097),
    "'open",
    "$replace($, /(?<!a)b/, 'x')",
  ])("throws an ExpressionError at compile time for %s", (source) => {
    expect(() => compileExpression(source)).toThrow(ExpressionError);
  });

  const costly: readonly (readonly [string, Json])[] = [
    ["$match($, /(a+)+$/)", `${"a".repeat(40)}!`],
    ["$replace($, /^(([a-z])+.)+[A-Z]([a-z])+$/, '')", "a".repeat(60)],
    ["$contains($, /(x+x+)+y/)", "x".repeat(5_000)],
    ["($f := function($n){$f($n + 1)}; $f(0))", null],
    ["($f := function($n){$f($n) + $f($n)}; $f(0))", null],
    ["($f := function(){$f()}; $f())", null],
    ["($f := function($n){[$f($n + 1)]}; $f(0))", null],
    ["$pad($, 1e9)", "x"],
    ["$pad($, -1e9)", "x"],
    ["$pad($, 1e308)", "x"],
    ["[1..1e7]", null],
    ["[1..1e9]", null],
    ["[1..10000].([1..10000])", null],
    ["$map([1..10000], function($v){[1..10000]})", null],
    ["$eval('1+1')", null],
    ["$eval('[1..1e7]')", null],
    ["$random()", null],
    ["$shuffle([1,2])", null],
    ["$reduce([1..40], function($a, $i){$a & $a}, 'x')", null],
    ["$length($reduce([1..40], function($a, $i){$a & $a}, 'x'))", null],
    ["$length($reduce([1..28], function($a, $i){$a & $a}, 'x'))", null],
    ["$reduce([1..40], function($a, $i){{'a': $a, 'b': $a}}, {})", null],
    ["$string($reduce([1..40], function($a, $i){[[$a], [$a]]}, []))", null],
    ["$distinct([1..10000].{'a': $, 'b': 1})", null],
    ["$toMillis('2020', $ & '[(')", "Zephyrine-4242"],
    ["$join([1..10000].'0123456789')", null],
    ["$string([1..10000].{'a': '0123456789'})", null],
    ["$error($)", "Zephyrine-4242"],
    ["$assert(false, $)", "Zephyrine-4242"],
    ["$number($)", "Zephyrine-4242"],
    ["$toMillis($)", "Zephyrine-4242"],
    ["$ + 1", "Zephyrine-4242"],
    ["$sum($)", ["Zephyrine-4242"]],
    ["$formatNumber(1, $)", "Zephyrine-4242"],
    ["$decodeUrl('%' & $)", "Zephyrine-4242"],
    ["$fromMillis(1e20)", null],
    ["$sort([1, $])", "Zephyrine-4242"],
    ["$zephyrine($)", "Zephyrine-4242"],
    ["$single([1,2], function($v){true})", null],
    ["$$.$lookup($, 'a')($)", "Zephyrine-4242"],
  ];

  it.each(costly)(
    "stops %s in time, with an error that contains no input",
    { tags: "row-28" },
    async (source, input) => {
      const began = cpuMs();

      // A few of them may also return a small result or none.
      const error: unknown = await evaluate(source, input).then(
        (result) =>
          result === undefined || JSON.stringify(result).length < 100 ? new ExpressionError("a small result") : result,
        (error: unknown) => error,
      );

      expect(error).toBeInstanceOf(ExpressionError);
      expect((error as Error).message).not.toMatch(/Zephyrine|4242/);
      // A free machine needs less than a second.
      expect(cpuMs() - began).toBeLessThan(5_000);
    },
  );

  it("cannot reach the process or a prototype", { tags: "row-28" }, async () => {
    for (const source of [
      "process",
      "$process",
      "globalThis",
      "constructor",
      "__proto__",
      "$.constructor",
      "toString",
      "$string.constructor",
    ]) {
      expect(await evaluate(source, {}).catch(() => undefined)).toBeUndefined();
    }
  });

  it("does not change its input", async () => {
    const input = { a: [1, { b: 2 }] };

    await evaluate('$ ~> |a|{"b": 3}|', input).catch(() => {});
    await evaluate("$append(a, 9)", input);

    expect(input).toEqual({ a: [1, { b: 2 }] });
  });

  it("returns the same result for the same input and time", async () => {
    const compiled = compileExpression("$now() & $string($)");

    expect(await compiled.evaluate(1, noon)).toBe(await compiled.evaluate(1, noon));
    await expect(compiled.evaluate(1, noon + 1)).resolves.not.toBe(await compiled.evaluate(1, noon));
  });

  it("keeps the times and bindings of concurrent evaluations apart", async () => {
    const compiled = compileExpression("$string($millis()) & '/' & $who");

    const results = await Promise.all(
      Array.from({ length: 50 }, (_, i) => compiled.evaluate(null, noon + i, { who: `w${i}` })),
    );

    expect(results).toEqual(Array.from({ length: 50 }, (_, i) => `${noon + i}/w${i}`));
  });

  it("compiles random source text or throws an ExpressionError", { tags: "row-27" }, () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."$()[]{}.,:;'\"/\\*+-=<>~|&?@#%^!ab01 \n") }), (source) => {
        try {
          compileExpression(source);
        } catch (error) {
          expect(error).toBeInstanceOf(ExpressionError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("an expression's result", () => {
  it.each([
    ["an infinite number", "$sum([$, $])", 1e308],
    ["half a character", '$split($, "")[0]', "😀x"],
    ["half a character in a record", '{ "a": $split($, "")[0] }', "😀x"],
  ])("causes an error if it is %s, which JSON cannot represent", async (_, source, input) => {
    await expect(compileExpression(source).evaluate(input, 0)).rejects.toThrow(/is not JSON/);
  });

  it("arrives in time even if 60 evaluations start at once", async () => {
    const slow = compileExpression("$sum([1..3000].($ * 2))");

    const results = await Promise.all(Array.from({ length: 60 }, () => slow.evaluate(null, 0)));

    expect(new Set(results)).toEqual(new Set([9_003_000]));
  });
});

describe("an expression's limit", () => {
  it("counts steps and not time, so a busy machine gives the same result as an idle one", async () => {
    const endless = compileExpression("($f := function(){$f()}; $f())");
    const large = compileExpression("$sum([1..9000].($ * 2))");

    await expect(endless.evaluate(null, 0)).rejects.toThrow("takes more than 100000 steps");
    vi.spyOn(Date, "now").mockImplementation(skippingClock());

    await expect(large.evaluate(null, 0)).resolves.toBe(81_009_000);
    vi.restoreAllMocks();
  });

  it("throws an error other than ExpressionError if the machine is too busy to evaluate in time", async () => {
    const slow = compileExpression("$sum([1..9000].($ * 2))");
    vi.spyOn(Date, "now").mockImplementation(skippingClock(60_000));

    const error: unknown = await slow.evaluate(null, 0).catch((error: unknown) => error);
    vi.restoreAllMocks();

    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(ExpressionError);
  });
});

/** Returns a clock that advances by `stepMs` at each reading, as on a busy machine. */
function skippingClock(stepMs = 0.05): () => number {
  let now = 0;
  return () => {
    now += stepMs;
    return now;
  };
}
