import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../bridge/json.ts";
import type { Parcel } from "../../bridge/map.ts";
import { readPolicy } from "../../bridge/policy-text.ts";
import { vet } from "../../bridge/vet.ts";
import { aKey, aSheet } from "../support/builders.ts";
import { aPolicy } from "../support/core.ts";

const sheet = aSheet("source_event: t\ntargets: { hr: { connector: WorkForceNow@v1, map: { x: y } } }");

function vetted(policy: string, fields: JsonObject) {
  const parcel: Parcel = { sheet, target: sheet.targets[0] as Parcel["target"], entity: "e", fields };
  return vet(aPolicy(policy), parcel, aKey);
}

const rule = (text: string) => `rules:\n  - ${text}`;

describe("vetting", () => {
  it("lets what is not personal go as it is", () => {
    const fields = { rate: 68, start: "2026-12-01", nested: { list: [1, true, null] } };

    expect(vetted("otherwise: block", fields)).toMatchObject({ verdict: "allow", decisions: [], fields });
  });

  it.each<[string, JsonObject]>([
    ["in a text", { note: "call 123-45-6789" }],
    ["in a list", { note: ["ok", "123-45-6789"] }],
    ["deep down", { note: { a: [{ b: "123-45-6789" }] } }],
    ["as a key", { note: { "123-45-6789": true } }],
    ["as a number under a telling name", { ssn: 123_456_789 }],
    ["as a number under a telling name below", { note: { ssn: 123_456_789 } }],
    ["as a card's number", { note: 4_111_111_111_111_111 }],
  ])("blocks personal data no rule speaks of, %s", (_, fields) => {
    expect(vetted("otherwise: block", fields).verdict).toBe("block");
  });

  it("blocks without any policy at all", () => {
    expect(vetted("", { note: "a@b.example" }).verdict).toBe("block");
  });

  it("masks where the policy says so, numbers and keys too", () => {
    const { fields, verdict } = vetted("otherwise: mask", {
      note: { "123-45-6789": ["a@b.example", 4_111_111_111_111_111] },
    });

    expect(verdict).toBe("mask");
    expect(fields).toEqual({ note: { "***-**-6789": ["a***@b.example", "************1111"] } });
  });

  it("holds the whole parcel for one blocked field", () => {
    const { verdict, decisions } = vetted("otherwise: block", { rate: 1, note: "123-45-6789", mail: "a@b.example" });

    expect(verdict).toBe("block");
    expect(decisions).toEqual([
      { field: "note", action: "block", rule: "otherwise", kinds: ["ssn"] },
      { field: "mail", action: "block", rule: "otherwise", kinds: ["email"] },
    ]);
  });

  it.each<[string, string, JsonObject, string]>([
    ["allows its field", "{ id: a, field: mail, kinds: [email], action: allow }", { mail: "a@b.example" }, "allow"],
    [
      "allows no other field",
      "{ id: a, field: mail, kinds: [email], action: allow }",
      { other: "a@b.example" },
      "block",
    ],
    [
      "allows no other kind in the same text",
      "{ id: a, field: mail, kinds: [email], action: allow }",
      { mail: "a@b.example 123-45-6789" },
      "block",
    ],
    [
      "allows for its connector, whatever version",
      "{ id: a, field: mail, connector: WorkForceNow, kinds: [email], action: allow }",
      { mail: "a@b.example" },
      "allow",
    ],
    [
      "allows for no other connector",
      "{ id: a, field: mail, connector: Payroll, kinds: [email], action: allow }",
      { mail: "a@b.example" },
      "block",
    ],
    [
      "allows any field by a star",
      "{ id: a, field: '*', kinds: [email], action: allow }",
      { anything: "a@b.example" },
      "allow",
    ],
    ["blocks a field with nothing found in it", "{ id: a, field: salary, action: block }", { salary: 5 }, "block"],
    [
      "blocks where one of its kinds is found",
      "{ id: a, field: '*', kinds: [ssn], action: block }",
      { x: "a@b.example 123-45-6789" },
      "block",
    ],
    ["masks a field with nothing found in it whole", "{ id: a, field: salary, action: mask }", { salary: 5 }, "mask"],
  ])("by a rule %s", (_, text, fields, verdict) => {
    expect(vetted(rule(text), fields).verdict).toBe(verdict);
  });

  it("hides a field masked by its name whole, and leaves a cleared one cleared", () => {
    const policy = rule("{ id: a, field: '*', action: mask }");

    expect(vetted(policy, { salary: 5, gone: null, list: [1] }).fields).toEqual({
      salary: "***",
      gone: null,
      list: "***",
    });
  });

  it("goes by the first rule that fits", () => {
    const policy =
      "rules:\n  - { id: first, field: mail, action: block }\n  - { id: second, field: mail, action: allow }";

    expect(vetted(policy, { mail: "x" }).decisions).toMatchObject([{ rule: "first", action: "block" }]);
  });

  it("decides by names and rules only: no decision holds a value", () => {
    const { decisions } = vetted("otherwise: mask", { note: "123-45-6789 a@b.example" });

    expect(JSON.stringify(decisions)).not.toMatch(/6789|example/);
  });
});

describe("governance.yaml", () => {
  it.each<[string, string, string]>([
    ["an unknown way out", "otherwise: allow", "governance.yaml:1: otherwise: "],
    ["an unknown key", "otherwise: block\nrulez: []", "governance.yaml:2: rulez: is no word of a policy"],
    [
      "an unknown kind",
      "rules:\n  - { id: a, field: x, kinds: [shoe-size], action: mask }",
      "governance.yaml:2: rules.0.kinds.0: ",
    ],
    ["an unknown action", "rules:\n  - { id: a, field: x, action: shred }", "governance.yaml:2: rules.0.action: "],
    [
      "a rule that fits nothing",
      "rules:\n  - { id: a, action: mask }",
      'governance.yaml:2: rules.0.id: a fits nothing; give "field:"',
    ],
    ["a rule without an id", "rules:\n  - { field: a, action: mask }", "rules.0.id: "],
    [
      "the same id twice",
      "rules:\n  - { id: a, field: x, action: mask }\n  - { id: a, field: y, action: mask }",
      'governance.yaml:3: rules.1.id: "a" stands twice',
    ],
    ["no YAML", "rules: [", "governance.yaml:1: not YAML"],
    ["a bomb", `a: &a [x]\nb: [${Array(100).fill("*a").join(",")}]`, "governance.yaml:"],
    ["a list", "[]", "governance.yaml:1: "],
  ])("with %s is refused, and the place told", (_, text, expected) => {
    const reading = readPolicy("governance.yaml", text);

    expect(reading.ok ? "it was taken" : reading.message).toContain(expected);
  });

  it("that is empty blocks all personal data", () => {
    expect(readPolicy("governance.yaml", "")).toEqual({ ok: true, policy: { otherwise: "block", rules: [] } });
  });
});

describe("the record's own key", () => {
  const seen = (policy: string, entity: string) => {
    const target = sheet.targets[0] as Parcel["target"];
    return vet(aPolicy(policy), { target, entity, fields: { rate: 1 } }, aKey);
  };

  it.each(["123-45-6789", "ann@agency.example", "4111 1111 1111 1111"])("blocks where it is personal: %s", (entity) => {
    const { verdict, decisions } = seen("otherwise: mask", entity);

    expect(verdict).toBe("block");
    expect(decisions).toEqual([expect.objectContaining({ field: "entity", action: "block", rule: "otherwise" })]);
    expect(JSON.stringify(decisions)).not.toContain(entity);
  });

  it("leaves where a rule allows it, and only the kinds that rule names", () => {
    const policy = rule("{ id: key-by-email, field: entity, kinds: [email], action: allow }");

    expect(seen(policy, "ann@agency.example").verdict).toBe("allow");
    expect(seen(policy, "123-45-6789").verdict).toBe("block");
  });
});
