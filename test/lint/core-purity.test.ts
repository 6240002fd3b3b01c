import { describe, expect, it } from "vitest";
import { corePurity } from "../../lint/rules/core-purity.ts";
import { offenders } from "./offenders.ts";

describe("core purity", () => {
  it.each([
    "process.env.HOME",
    "Date.now()",
    "new Date()",
    "Math.random()",
    "setTimeout(run, 1)",
    "setInterval(run, 1)",
    "performance.now()",
    'fetch("https://example.com")',
    "console.log(1)",
    "randomUUID()",
    "randomBytes(1)",
    'import("zod")',
  ])("finds %s in bridge/", (expression) => {
    const found = offenders(corePurity, { "bridge/model/a.ts": `\nexport const a = ${expression};` });

    expect(found).toEqual([expect.stringMatching(/^bridge\/model\/a\.ts:2: /)]);
  });

  it("accepts impure calls outside bridge/ and in comments, and a date from a timestamp", () => {
    const files = {
      "platform/clock.ts": "export const now = () => Date.now();",
      "bridge/model/a.ts": "/** Unlike Date.now(). */\nexport const a = new Date(0); // not new Date()",
    };

    expect(offenders(corePurity, files)).toEqual([]);
  });
});
