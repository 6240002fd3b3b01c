import { createHash, createSecretKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { policyJsonSchema } from "../../../bridge/governance/policy.ts";
import { readPolicy } from "../../../bridge/governance/policy-file.ts";
import { vet } from "../../../bridge/governance/vet.ts";
import type { MappedPayload } from "../../../bridge/mapping/map-event.ts";
import { mask } from "../../../bridge/pii/mask.ts";
import type { Json, JsonObject } from "../../../bridge/values/json.ts";
import { aKey, aSheet } from "../../support/builders.ts";
import { aPolicy } from "../../support/core.ts";

const sheet = aSheet("source_event: t\ntargets: { hr: { connector: WorkForceNow@v1, map: { x: y } } }");

function vetted(policy: string, fields: JsonObject) {
  const parcel: MappedPayload = { sheet, target: sheet.targets[0] as MappedPayload["target"], entity: "e", fields };
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

describe("a rule's reach", () => {
  const mails = { work_email: "a@b.example", home_email: "c@d.example", other: "e@f.example" };

  it.each<[string, string, JsonObject, string]>([
    ["a star for the beginning of a name", "{ id: a, field: '*_email', action: mask }", mails, "other"],
    [
      "a star below a name",
      "{ id: a, field: address.*, action: block }",
      { "address.zip": "20500", zip: 1 },
      "address.zip",
    ],
    ["a star in the middle", "{ id: a, field: 'a*z', action: block }", { abcz: 1, abc: 2 }, "abcz"],
  ])("is told by %s", (_, text, fields, field) => {
    expect(vetted(rule(text), fields).decisions.some((decision) => decision.field === field)).toBe(true);
  });

  it("goes into a field that holds an object, as it would into one that is written with dots", () => {
    const policy = `rules:
  - { id: zip, field: address.zip, action: mask }
  - { id: mail, field: "*_email", kinds: [email], action: allow }`;

    const seen = vetted(policy, {
      address: { zip: "20500", city: "Washington" },
      people: [{ work_email: "a@b.example" }, { work_email: "c@d.example" }],
    });

    expect(seen.fields).toEqual({
      address: { zip: "***", city: "Washington" },
      people: [{ work_email: "a@b.example" }, { work_email: "c@d.example" }],
    });
    expect(seen.decisions).toEqual([
      { field: "address.zip", action: "mask", rule: "zip", kinds: [] },
      { field: "people.work_email", action: "allow", rule: "mail", kinds: ["email"] },
    ]);
  });

  it("is its turn's: a rule for all fields that stands first counts inside, too", () => {
    const policy = `rules:
  - { id: all, field: "*", kinds: [ssn], action: block }
  - { id: note, field: a.note, action: allow }`;

    expect(vetted(policy, { a: { note: "123-45-6789" } }).verdict).toBe("block");
  });

  it("ends where another field begins: an allowance inside an object lets nothing else of it through", () => {
    const policy = rule("{ id: mail, field: person.mail, kinds: [email], action: allow }");

    const { verdict, decisions } = vetted(policy, { person: { mail: "a@b.example", note: "123-45-6789" } });

    expect(verdict).toBe("block");
    expect(decisions).toContainEqual({ field: "person.note", action: "block", rule: "otherwise", kinds: ["ssn"] });
  });

  it("tells no key that is data: records may be keyed by an address", () => {
    const policy = "otherwise: mask\nrules:\n  - { id: zip, field: people.*.zip, action: mask }";

    const people = { "ann@agency.example": { zip: "20500" }, "_123-45-6789": { zip: "20500" } };

    const { fields, decisions } = vetted(policy, { people });

    expect(fields).toEqual({ people: { "a***@agency.example": { zip: "***" }, "_***-**-6789": { zip: "***" } } });
    expect(JSON.stringify(decisions)).not.toMatch(/ann@|6789/);
  });

  it("is found in time, however many stars a name has", () => {
    const policy = rule(`{ id: a, field: "${"*a".repeat(60)}", action: mask }`);
    const began = performance.now();

    vetted(policy, { ["a".repeat(59) + "b".repeat(5_000)]: 1 });

    expect(performance.now() - began).toBeLessThan(500);
  });
});

describe("a class of data", () => {
  const policy = `classes:
  contact: [email, phone]
  name: { fields: [full_name, "*.surname"] }
  health: { kinds: [ssn], fields: [diagnosis] }
rules:
  - { id: hr-contacts, class: contact, connector: WorkForceNow, action: allow }
  - { id: no-names, class: name, action: mask }
  - { id: health, class: health, action: block }`;

  it("is allowed by its kinds, and no other kind with it", () => {
    expect(vetted(policy, { any: "a@b.example or +1 202 555 0143" }).verdict).toBe("allow");
    expect(vetted(policy, { any: "a@b.example, card 4111 1111 1111 1111" }).verdict).toBe("block");
  });

  it("is known by the names of its fields, where nothing can be found in them", () => {
    expect(vetted(policy, { full_name: "Ann Lee", "spouse.surname": "Lee", name: "Ann" }).fields).toEqual({
      full_name: "***",
      "spouse.surname": "***",
      name: "Ann",
    });
  });

  it("is both", () => {
    expect(vetted(policy, { diagnosis: "flu" }).decisions).toMatchObject([{ rule: "health", action: "block" }]);
    expect(vetted(policy, { note: "123-45-6789" }).decisions).toMatchObject([{ rule: "health", action: "block" }]);
  });

  it("that is allowed by name lets nothing through that is found beside it", () => {
    const names = "classes: { name: { fields: [full_name] } }\nrules: [{ id: n, class: name, action: allow }]";

    expect(vetted(names, { full_name: "Ann Lee" }).verdict).toBe("allow");
    expect(vetted(names, { full_name: "Ann 123-45-6789" }).verdict).toBe("block");
  });
});

describe("a pseudonym", () => {
  const policy = rule("{ id: who, field: person, action: hash }");
  const made = (value: Json, connector = "WorkForceNow@v1", key = aKey) => {
    const target = { connector };
    return vet(aPolicy(policy), { target, entity: "e", fields: { person: value } }, key).fields.person;
  };

  it("is the same for the same, for one connector in all its versions, and another for the next", () => {
    expect(made("Ann Lee")).toMatch(/^psn-[a-z2-7]{26}$/);
    expect(made("Ann Lee")).toBe(made("Ann Lee", "WorkForceNow@v2"));
    expect(made("Ann Lee")).not.toBe(made("Ann Lee", "Payroll@v1"));
    expect(made("Ann Lee")).not.toBe(made("Ann Li"));
  });

  it("is of this bridge's key: nobody without it can try values", () => {
    const another = createSecretKey(Buffer.alloc(32, 8));

    expect(made("123-45-6789")).not.toBe(made("123-45-6789", "WorkForceNow@v1", another));
    expect(made("123-45-6789")).not.toContain(createHash("sha256").update("123-45-6789").digest("hex").slice(0, 8));
  });

  it("is the same however what was found is written, and takes only that from a text", () => {
    expect(made("123-45-6789")).toBe(made("123 45 6789"));
    expect(made("A@b.example")).toBe(made("a@B.example"));
    expect(made("call 123-45-6789 now")).toBe(`call ${made("123-45-6789")} now`);
  });

  it("stays what it is when it is vetted again, as in a replay", () => {
    expect(made(made("Ann Lee") as string)).toBe(made("Ann Lee"));
  });

  it("stands for an object as a whole, and null stays null", () => {
    expect(made({ first: "Ann", last: "Lee" })).toBe(made({ last: "Lee", first: "Ann" }));
    expect(made(null)).toBeNull();
  });

  it("may be the record's own key, where a mask may not", () => {
    const entity = (action: string) =>
      vet(
        aPolicy(rule(`{ id: key, field: entity, action: ${action} }`)),
        { target: { connector: "C@v1" }, entity: "ann@agency.example", fields: {} },
        aKey,
      );

    expect(entity("hash")).toMatchObject({ verdict: "mask", entity: expect.stringMatching(/^psn-/) });
    expect(entity("mask").verdict).toBe("block");
  });
});

describe("a mask", () => {
  it.each([
    ["ssn", "123-45-6789", "***-**-6789"],
    ["email", "ann.lee@agency.example", "a***@agency.example"],
    ["phone", "+1 (202) 555-0143", "+* (***) ***-0143"],
    ["card", "4111 1111 1111 1111", "**** **** **** 1111"],
    ["iban", "DE89 3704 0044 0532 0130 00", "DE89 **** **** **** **30 00"],
    ["ip", "203.0.113.42", "203.0.113.0"],
    ["ip", "2001:db8:85a3::8a2e:370:7334", "2001:db8:85a3::"],
    ["birthdate", "1985-03-04", "1985-01-01"],
    ["birthdate", "03/04/1985", "01/01/1985"],
    ["birthdate", "4.3.85", "1.1.85"],
    ["birthdate", "19850304", "19850101"],
    ["birthdate", "March 4, 1985", "1985"],
    ["passport", "C01234567", "*******67"],
    ["bank", "021000021", "*******21"],
  ] as const)("of a %s keeps its form: %s", (kind, text, expected) => {
    expect(mask({ kind, text })).toBe(expected);
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
    [
      "a class that is not declared",
      "classes: { contact: [email] }\nrules:\n  - { id: a, class: contacts, action: mask }",
      'governance.yaml:3: rules.0.class: "contacts" is no class; declared under classes: contact',
    ],
    [
      "a class and kinds",
      "classes: { contact: [email] }\nrules:\n  - { id: a, class: contact, kinds: [ssn], action: mask }",
      "governance.yaml:3: rules.0.kinds: a class says its kinds itself",
    ],
    [
      "a class of unknown kinds",
      "classes:\n  contact: [fax]",
      "governance.yaml:2: classes.contact.0: must be one of ssn",
    ],
    ["a class of nothing", "classes:\n  contact: 5", "governance.yaml:2: classes.contact: is no class"],
    [
      "an unknown word in a rule",
      "rules:\n  - { id: a, feild: x, action: mask }",
      "governance.yaml:2: rules.0.feild: is no word",
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
    const target = sheet.targets[0] as MappedPayload["target"];
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

describe("the policy's JSON Schema", () => {
  const check = new Ajv2020({ strict: false }).compile(policyJsonSchema());

  it("takes the project's own policy, and what the documentation shows", () => {
    const documented = /```yaml\n(otherwise:[\s\S]*?)```/.exec(readFileSync("docs/governance.md", "utf8"))?.[1];

    for (const text of [readFileSync("governance.yaml", "utf8"), documented ?? ""]) {
      expect(check(parse(text)), JSON.stringify(check.errors)).toBe(true);
      expect(readPolicy("governance.yaml", text).ok).toBe(true);
    }
  });

  it("refuses what the reader refuses", () => {
    expect(check(parse("rules: [{ id: a, field: x, action: shred }]"))).toBe(false);
    expect(check(parse("rulez: []"))).toBe(false);
  });
});
