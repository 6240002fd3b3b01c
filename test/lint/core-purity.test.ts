import { describe, expect, it } from "vitest";
import { corePurity } from "../../lint/rules/core-purity.ts";
import { offenders } from "./offenders.ts";

describe("core purity", () => {
  it.each([
    "process.env.HOME",
    'process?.["env"]',
    "globalThis.fetch",
    "Date.now()",
    "Date.now",
    "Date()",
    "new Date()",
    "new Date",
    "Math.random()",
    'Math["random"]()',
    "AbortSignal.timeout(5)",
    "setTimeout(run, 1)",
    "setImmediate",
    "setInterval(run, 1)",
    "performance.now()",
    'fetch("https://example.com")',
    'console?.log("a")',
    "crypto.getRandomValues(bytes)",
    'import("zod")',
    "import.meta.url",
  ])("finds %s in bridge/", (expression) => {
    const found = offenders(corePurity, { "bridge/model/a.ts": `\nexport const a = ${expression};` });

    expect(found).toEqual([expect.stringMatching(/^bridge\/model\/a\.ts:2: /)]);
  });

  it.each([
    "const { now } = Date;",
    "const { random } = Math;",
    "const { env } = process;",
    'import { randomUUID } from "node:crypto";',
    'import { randomBytes as bytes } from "node:crypto";',
  ])("finds the hidden access in %s", (statement) => {
    expect(offenders(corePurity, { "bridge/model/a.ts": statement })).toHaveLength(1);
  });

  it.each([
    "const a = new Date(0);",
    "const a = Date.parse(text);",
    "const a = value instanceof Date;",
    "const a = Math.max(1, 2);",
    'const a = "another process. Open the console.";',
    "const a = http.fetch(url);",
    "const a = clock.setTimeout(run);",
    "const a = { process: 1, fetch: 2 };",
    "interface A { fetch(url: string): void; console: string }",
    "function f(process: { id: string }) { return process.id; }",
    'import { createHash } from "node:crypto";',
  ])("accepts %s", (statement) => {
    expect(offenders(corePurity, { "bridge/model/a.ts": statement })).toEqual([]);
  });

  it("accepts impure calls outside bridge/ and in comments", () => {
    const files = {
      "platform/clock.ts": "export const now = () => Date.now();",
      "bridge/model/a.ts": "/** Unlike Date.now(). */\nexport const a = new Date(0); // not new Date()",
    };

    expect(offenders(corePurity, files)).toEqual([]);
  });
});
