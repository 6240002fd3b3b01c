import { describe, expect, it } from "vitest";
import { functionLength } from "../../lint/rules/function-length.ts";
import { parameterCount } from "../../lint/rules/parameter-count.ts";
import { offenders } from "./offenders.ts";

/** Creates a function body of the given number of lines, with blank lines and comments. */
function body(lines: number): string {
  return `{\n${"// a comment\n\n"
    .repeat(lines)
    .split("\n")
    .slice(0, lines - 2)
    .join("\n")}\n}`;
}

describe("function length", () => {
  it.each([
    ["a function", (block: string) => `function work() ${block}`],
    ["an arrow function", (block: string) => `const work = () => ${block};`],
    ["a method", (block: string) => `class A { work() ${block} }`],
    ["a test", (block: string) => `it("keeps the order", () => ${block});`],
    ["a hook", (block: string) => `describe("order", () => { beforeEach(() => ${block}); });`],
  ])("finds %s of 71 lines and accepts 70", (_, write) => {
    expect(offenders(functionLength, { "test/a.test.ts": write(body(71)) })).toHaveLength(1);
    expect(offenders(functionLength, { "test/a.test.ts": write(body(70)) })).toEqual([]);
  });

  it("reports the function by name and counts from its first line", () => {
    const text = `\nexport function work(\n  a: string,\n) ${body(70)}`;

    expect(offenders(functionLength, { "ops/a.ts": text })).toEqual(["ops/a.ts:2: work has 72 lines; 70 are allowed"]);
  });

  it.each([
    `describe("order", () => ${body(200)});`,
    `describe.each([1])("order %s", () => ${body(200)});`,
    `describe.skipIf(true)("order", () => ${body(200)});`,
    `function contract() {\n  describe("order", () => ${body(200)});\n}`,
  ])("does not count the body of a describe", (text) => {
    expect(offenders(functionLength, { "test/a.test.ts": text })).toEqual([]);
  });

  it("counts a helper inside a describe", () => {
    const text = `describe("order", () => {\n  function aCore() ${body(71)}\n});`;

    expect(offenders(functionLength, { "test/a.test.ts": text })).toHaveLength(1);
  });
});

describe("parameter count", () => {
  it.each([
    "function f(a: 1, b: 2, c: 3, d: 4, e: 5) {}",
    "const f = (a: 1, b: 2, c: 3, d: 4, ...e: 5[]) => {};",
    "class A { constructor(a: 1, b: 2, c: 3, d: 4, e: 5) {} }",
    "interface A { f(a: 1, b: 2, c: 3, d: 4, e: 5): void }",
    "type F = (a: 1, b: 2, c: 3, d: 4, e: 5) => void;",
    'it.each([])("is %s", (a, b, c, d, e) => {});',
  ])("finds five in %s", (text) => {
    expect(offenders(parameterCount, { "test/a.ts": text })).toHaveLength(1);
  });

  it.each([
    "function f(a: 1, b: 2, c: 3, d: 4) {}",
    "function f(this: Date, a: 1, b: 2, c: 3, d: 4) {}",
    "function f({ a, b, c, d, e }: Options) {}",
    "f(1, 2, 3, 4, 5);",
  ])("accepts %s", (text) => {
    expect(offenders(parameterCount, { "bridge/model/a.ts": text })).toEqual([]);
  });
});
