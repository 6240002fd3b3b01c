import { describe, expect, test } from "vitest";
import { createHttp } from "../../../../connectors/protocols/http/client.ts";
import { fieldOf, problemIn } from "../../../../connectors/protocols/http/problem-details.ts";
import { targetServer } from "../../../support/target-server.ts";

const sent = { dailyRate: 999, address: { zip: "80-202", city: "Denver" }, note: "call 555" };
const told = (problem: unknown) => problemIn(JSON.stringify(problem), sent);

describe("a refusal that is a problem", () => {
  test.each<[string, unknown, string | undefined]>([
    [
      "names each field and why",
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
      "names fields the way of RFC 7807",
      { title: "no", "invalid-params": [{ name: "dailyRate", reason: "must be positive" }] },
      "dailyRate: must be positive",
    ],
    [
      "names fields the way of ASP.NET",
      { title: "One or more validation errors occurred.", errors: { "$.address.zip": ["is required", "is short"] } },
      "address.zip: is required",
    ],
    [
      "says what is wrong with the whole",
      { title: "Locked", detail: "The rate table is locked." },
      "The rate table is locked.",
    ],
    ["has a title only", { title: "Locked" }, "Locked"],
    ["says nothing", {}, undefined],
    ["is no object", ["no"], undefined],
    ["is no text", { title: 7, detail: {}, errors: 3 }, undefined],
    [
      "names many fields",
      { errors: Array.from({ length: 8 }, (_, i) => ({ pointer: `#/f${i}`, detail: "no" })) },
      "f0: no; f1: no; f2: no; f3: no; f4: no; and 3 more",
    ],
    ["goes on and on", { title: "x".repeat(500) }, `${"x".repeat(160)}…`],
    ["has line breaks", { title: "no\r\nX-Evil: 1\u0007" }, "no X-Evil: 1"],
  ])("%s", (_, problem, wanted) => {
    expect(told(problem)).toBe(wanted);
  });

  test.each([
    ["999 is not a rate", "… is not a rate"],
    ["'80-202' is no zip of DENVER", "'…' is no zip of …"],
    ["“call 555” has no meaning", "“…” has no meaning"],
    ["1999 is a year", "1999 is a year"],
  ])("does not repeat what was sent: %s", (title, wanted) => {
    expect(told({ title })).toBe(wanted);
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

  test("stands in the reason for the operator, and whole in the answer", async () => {
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
