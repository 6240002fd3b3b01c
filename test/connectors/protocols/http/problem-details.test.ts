import { describe, expect, test } from "vitest";
import { createHttp } from "../../../../connectors/protocols/http/client.ts";
import { describeProblem, fieldOf } from "../../../../connectors/protocols/http/problem-details.ts";
import { targetServer } from "../../../support/target-server.ts";

const sent = { dailyRate: 999, address: { zip: "80-202", city: "Denver" }, note: "call 555" };
const reported = (problem: unknown) => describeProblem(JSON.stringify(problem), sent);

describe("problem details", () => {
  test.each<[string, unknown, string | undefined]>([
    [
      "every field with its reason",
      {
        type: "https://hr.gov/problems/validation",
        title: "Your request is not valid.",
        errors: [
          { detail: "must be at most 500", pointer: "#/dailyRate" },
          { detail: "must have 5 digits", pointer: "#/address/zip" },
        ],
      },
      "dailyRate: must be at most 500; address.zip: must have 5 digits",
    ],
    [
      "a field in the form of RFC 7807",
      { title: "no", "invalid-params": [{ name: "dailyRate", reason: "must be positive" }] },
      "dailyRate: must be positive",
    ],
    [
      "a field in the form of ASP.NET",
      { title: "One or more validation errors occurred.", errors: { "$.address.zip": ["is required", "is short"] } },
      "address.zip: is required",
    ],
    [
      "the detail of the whole problem",
      { title: "Locked", detail: "The rate table is locked." },
      "The rate table is locked.",
    ],
    ["the title if there is nothing else", { title: "Locked" }, "Locked"],
    ["nothing from an empty problem", {}, undefined],
    ["nothing from a list", ["no"], undefined],
    ["nothing from members of the wrong type", { title: 7, detail: {}, errors: 3 }, undefined],
    [
      "the first five of many fields",
      { errors: Array.from({ length: 8 }, (_, i) => ({ pointer: `#/f${i}`, detail: "no" })) },
      "f0: no; f1: no; f2: no; f3: no; f4: no; and 3 more",
    ],
    ["the first 160 characters of a long text", { title: "x".repeat(500) }, `${"x".repeat(160)}…`],
    ["control characters as spaces", { title: "no\r\nX-Evil: 1\u0007" }, "no X-Evil: 1"],
  ])("reports %s", (_, problem, wanted) => {
    expect(reported(problem)).toBe(wanted);
  });

  test.each([
    ["999 is not a rate", "… is not a rate"],
    ["'80-202' is no zip of DENVER", "'…' is no zip of …"],
    ["“call 555” has no meaning", "“…” has no meaning"],
    ["1999 is a year", "1999 is a year"],
  ])("replaces the sent values in: %s", (title, wanted) => {
    expect(reported({ title })).toBe(wanted);
  });

  test.each([
    ["#/address/zip", "address.zip"],
    ["/a~1b/c~0d", "a/b.c~d"],
    ["#/caf%C3%A9", "café"],
    ["#/%E0%A4%A", "%E0%A4%A"],
    ["$.address.zip", "address.zip"],
    ["dailyRate", "dailyRate"],
    ["", ""],
  ])("reads the pointer %j as %j", (pointer, field) => {
    expect(fieldOf(pointer)).toBe(field);
  });

  test("puts the problem's text into the reason and the whole problem into the answer", async () => {
    const problem = { title: "no", errors: [{ pointer: "#/dailyRate", detail: "999 is more than 500" }] };
    await using target = await targetServer((_, response) => {
      response.writeHead(422, { "content-type": "application/problem+json" }).end(JSON.stringify(problem));
    });
    const http = createHttp({ allowedHosts: [new URL(target.url).host] });

    expect(await http.deliver({ method: "PATCH", url: `${target.url}/v2/rates`, json: sent })).toEqual({
      kind: "refused",
      status: 422,
      reason: "answered 422: dailyRate: … is more than 500",
      answer: JSON.stringify(problem),
    });
  });
});
