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
import { cpuMs } from "../../support/cpu-time.ts";

const sheet = aSheet("source_event: t\ntargets: { hr: { connector: WorkForceNow@v1, map: { x: y } } }");

function vetted(policy: string, fields: JsonObject) {
  const payload: MappedPayload = { sheet, target: sheet.targets[0] as MappedPayload["target"], entity: "e", fields };
  return vet(aPolicy(policy), payload, aKey);
}

const rule = (text: string) => `rules:\n  - ${text}`;

describe("vetting", { tags: "row-22" }, () => {
  it("allows fields without personal data unchanged", () => {
    const fields = { rate: 68, start: "2026-12-01", nested: { list: [1, true, null] } };

    expect(vetted("otherwise: block", fields)).toMatchObject({ verdict: "allow", decisions: [], fields });
  });

  it.each<[string, JsonObject]>([
    ["in a text", { note: "call 123-45-6789" }],
    ["in a list", { note: ["ok", "123-45-6789"] }],
    ["in a nested object", { note: { a: [{ b: "123-45-6789" }] } }],
    ["as a key", { note: { "123-45-6789": true } }],
    ["as a number in a field named ssn", { ssn: 123_456_789 }],
    ["as a number in a nested field named ssn", { note: { ssn: 123_456_789 } }],
    ["as a card number", { note: 4_111_111_111_111_111 }],
  ])("blocks personal data that no rule covers, %s", (_, fields) => {
    expect(vetted("otherwise: block", fields).verdict).toBe("block");
  });

  it("blocks personal data if the policy is empty", () => {
    expect(vetted("", { note: "a@b.example" }).verdict).toBe("block");
  });

  it("masks findings in texts, numbers and keys if the policy says so", () => {
    const { fields, verdict } = vetted("otherwise: mask", {
      note: { "123-45-6789": ["a@b.example", 4_111_111_111_111_111] },
    });

    expect(verdict).toBe("mask");
    expect(fields).toEqual({ note: { "***-**-6789": ["a***@b.example", "************1111"] } });
  });

  it("blocks the whole payload for one blocked field", () => {
    const { verdict, decisions } = vetted("otherwise: block", { rate: 1, note: "123-45-6789", mail: "a@b.example" });

    expect(verdict).toBe("block");
    expect(decisions).toEqual([
      { field: "note", action: "block", rule: "otherwise", kinds: ["ssn"] },
      { field: "mail", action: "block", rule: "otherwise", kinds: ["email"] },
    ]);
  });

  it.each<[string, string, JsonObject, string]>([
    ["allow its field", "{ id: a, field: mail, kinds: [email], action: allow }", { mail: "a@b.example" }, "allow"],
    [
      "not allow another field",
      "{ id: a, field: mail, kinds: [email], action: allow }",
      { other: "a@b.example" },
      "block",
    ],
    [
      "not allow another kind in the same text",
      "{ id: a, field: mail, kinds: [email], action: allow }",
      { mail: "a@b.example 123-45-6789" },
      "block",
    ],
    [
      "allow its field for all versions of its connector",
      "{ id: a, field: mail, connector: WorkForceNow, kinds: [email], action: allow }",
      { mail: "a@b.example" },
      "allow",
    ],
    [
      "not allow its field for another connector",
      "{ id: a, field: mail, connector: Payroll, kinds: [email], action: allow }",
      { mail: "a@b.example" },
      "block",
    ],
    [
      "allow any field by a star",
      "{ id: a, field: '*', kinds: [email], action: allow }",
      { anything: "a@b.example" },
      "allow",
    ],
    ["block a field without findings", "{ id: a, field: salary, action: block }", { salary: 5 }, "block"],
    [
      "block a field in which one of its kinds is found",
      "{ id: a, field: '*', kinds: [ssn], action: block }",
      { x: "a@b.example 123-45-6789" },
      "block",
    ],
    ["mask a whole field without findings", "{ id: a, field: salary, action: mask }", { salary: 5 }, "mask"],
  ])("lets a rule %s", (_, text, fields, verdict) => {
    expect(vetted(rule(text), fields).verdict).toBe(verdict);
  });

  it("masks a whole field that a rule names, and keeps null", () => {
    const policy = rule("{ id: a, field: '*', action: mask }");

    expect(vetted(policy, { salary: 5, gone: null, list: [1] }).fields).toEqual({
      salary: "***",
      gone: null,
      list: "***",
    });
  });

  it("uses the first rule that fits", () => {
    const policy =
      "rules:\n  - { id: first, field: mail, action: block }\n  - { id: second, field: mail, action: allow }";

    expect(vetted(policy, { mail: "x" }).decisions).toMatchObject([{ rule: "first", action: "block" }]);
  });

  it("records no value in its decisions", () => {
    const { decisions } = vetted("otherwise: mask", { note: "123-45-6789 a@b.example" });

    expect(JSON.stringify(decisions)).not.toMatch(/6789|example/);
  });
});

describe("a field pattern", { tags: "row-22" }, () => {
  const mails = { work_email: "a@b.example", home_email: "c@d.example", other: "e@f.example" };

  it.each<[string, string, JsonObject, string]>([
    ["at the beginning of a name", "{ id: a, field: '*_email', action: mask }", mails, "other"],
    [
      "after a name and a dot",
      "{ id: a, field: address.*, action: block }",
      { "address.zip": "20500", zip: 1 },
      "address.zip",
    ],
    ["in the middle of a name", "{ id: a, field: 'a*z', action: block }", { abcz: 1, abc: 2 }, "abcz"],
  ])("matches a star %s", (_, text, fields, field) => {
    expect(vetted(rule(text), fields).decisions.some((decision) => decision.field === field)).toBe(true);
  });

  it("matches inside a nested object as it matches a dotted name", () => {
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

  it("applies to nested fields before any later rule that names them", () => {
    const policy = `rules:
  - { id: all, field: "*", kinds: [ssn], action: block }
  - { id: note, field: a.note, action: allow }`;

    expect(vetted(policy, { a: { note: "123-45-6789" } }).verdict).toBe("block");
  });

  it("allows only the nested field that it names, not its siblings", () => {
    const policy = rule("{ id: mail, field: person.mail, kinds: [email], action: allow }");

    const { verdict, decisions } = vetted(policy, { person: { mail: "a@b.example", note: "123-45-6789" } });

    expect(verdict).toBe("block");
    expect(decisions).toContainEqual({ field: "person.note", action: "block", rule: "otherwise", kinds: ["ssn"] });
  });

  it("keeps a key that is personal data out of fields and decisions", () => {
    const policy = "otherwise: mask\nrules:\n  - { id: zip, field: people.*.zip, action: mask }";

    const people = { "ann@agency.example": { zip: "20500" }, "_123-45-6789": { zip: "20500" } };

    const { fields, decisions } = vetted(policy, { people });

    expect(fields).toEqual({ people: { "a***@agency.example": { zip: "***" }, "_***-**-6789": { zip: "***" } } });
    expect(JSON.stringify(decisions)).not.toMatch(/ann@|6789/);
  });

  it("matches a long name in linear time, whatever the number of stars", () => {
    const policy = rule(`{ id: a, field: "${"*a".repeat(60)}", action: mask }`);
    const began = cpuMs();

    vetted(policy, { ["a".repeat(59) + "b".repeat(5_000)]: 1 });

    expect(cpuMs() - began).toBeLessThan(500);
  });
});

describe("a class of data", { tags: "row-22" }, () => {
  const policy = `classes:
  contact: [email, phone]
  name: { fields: [full_name, "*.surname"] }
  health: { kinds: [ssn], fields: [diagnosis] }
rules:
  - { id: hr-contacts, class: contact, connector: WorkForceNow, action: allow }
  - { id: no-names, class: name, action: mask }
  - { id: health, class: health, action: block }`;

  it("allows its own kinds and no other kind in the same text", () => {
    expect(vetted(policy, { any: "a@b.example or +1 202 555 0143" }).verdict).toBe("allow");
    expect(vetted(policy, { any: "a@b.example, card 4111 1111 1111 1111" }).verdict).toBe("block");
  });

  it("matches its fields by name even if nothing is found in them", () => {
    expect(vetted(policy, { full_name: "Ann Lee", "spouse.surname": "Lee", name: "Ann" }).fields).toEqual({
      full_name: "***",
      "spouse.surname": "***",
      name: "Ann",
    });
  });

  it("matches by kind or by field name if it has both", () => {
    expect(vetted(policy, { diagnosis: "flu" }).decisions).toMatchObject([{ rule: "health", action: "block" }]);
    expect(vetted(policy, { note: "123-45-6789" }).decisions).toMatchObject([{ rule: "health", action: "block" }]);
  });

  it("blocks findings in a field that is allowed only by name", () => {
    const names = "classes: { name: { fields: [full_name] } }\nrules: [{ id: n, class: name, action: allow }]";

    expect(vetted(names, { full_name: "Ann Lee" }).verdict).toBe("allow");
    expect(vetted(names, { full_name: "Ann 123-45-6789" }).verdict).toBe("block");
  });
});

describe("a pseudonym", { tags: "row-22" }, () => {
  const policy = rule("{ id: who, field: person, action: hash }");
  const pseudonymOf = (value: Json, connector = "WorkForceNow@v1", key = aKey) => {
    const target = { connector };
    return vet(aPolicy(policy), { target, entity: "e", fields: { person: value } }, key).fields.person;
  };

  it("equals that of the same value for all versions of one connector, and differs for other connectors", () => {
    expect(pseudonymOf("Ann Lee")).toMatch(/^psn-[a-z2-7]{26}$/);
    expect(pseudonymOf("Ann Lee")).toBe(pseudonymOf("Ann Lee", "WorkForceNow@v2"));
    expect(pseudonymOf("Ann Lee")).not.toBe(pseudonymOf("Ann Lee", "Payroll@v1"));
    expect(pseudonymOf("Ann Lee")).not.toBe(pseudonymOf("Ann Li"));
  });

  it("depends on the bridge's key, so nobody else can find a value by guessing", () => {
    const another = createSecretKey(Buffer.alloc(32, 8));

    expect(pseudonymOf("123-45-6789")).not.toBe(pseudonymOf("123-45-6789", "WorkForceNow@v1", another));
    expect(pseudonymOf("123-45-6789")).not.toContain(
      createHash("sha256").update("123-45-6789").digest("hex").slice(0, 8),
    );
  });

  it("ignores how a finding is written, and replaces only the finding in a text", () => {
    expect(pseudonymOf("123-45-6789")).toBe(pseudonymOf("123 45 6789"));
    expect(pseudonymOf("A@b.example")).toBe(pseudonymOf("a@B.example"));
    expect(pseudonymOf("call 123-45-6789 now")).toBe(`call ${pseudonymOf("123-45-6789")} now`);
  });

  it("stays unchanged if it is vetted again, as in a replay", () => {
    expect(pseudonymOf(pseudonymOf("Ann Lee") as string)).toBe(pseudonymOf("Ann Lee"));
  });

  it("replaces a whole object, and keeps null", () => {
    expect(pseudonymOf({ first: "Ann", last: "Lee" })).toBe(pseudonymOf({ last: "Lee", first: "Ann" }));
    expect(pseudonymOf(null)).toBeNull();
  });

  it("can replace the entity, whereas a mask of the entity blocks", () => {
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

describe("a mask", { tags: "row-22" }, () => {
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
  ] as const)("keeps the form of a %s: %s", (kind, text, expected) => {
    expect(mask({ kind, text })).toBe(expected);
  });
});

describe("governance.yaml", { tags: "row-22" }, () => {
  it.each<[string, string, string]>([
    ["an unknown default action", "otherwise: allow", "governance.yaml:1: otherwise: "],
    ["an unknown key", "otherwise: block\nrulez: []", "governance.yaml:2: rulez: is not a key of a policy"],
    [
      "an unknown kind",
      "rules:\n  - { id: a, field: x, kinds: [shoe-size], action: mask }",
      "governance.yaml:2: rules.0.kinds.0: ",
    ],
    ["an unknown action", "rules:\n  - { id: a, field: x, action: shred }", "governance.yaml:2: rules.0.action: "],
    [
      "a rule that matches nothing",
      "rules:\n  - { id: a, action: mask }",
      'governance.yaml:2: rules.0.id: a matches nothing; add "field:"',
    ],
    ["a rule without an id", "rules:\n  - { field: a, action: mask }", "rules.0.id: "],
    [
      "the same id twice",
      "rules:\n  - { id: a, field: x, action: mask }\n  - { id: a, field: y, action: mask }",
      'governance.yaml:3: rules.1.id: "a" is the id of two rules',
    ],
    [
      "a class that is not declared",
      "classes: { contact: [email] }\nrules:\n  - { id: a, class: contacts, action: mask }",
      'governance.yaml:3: rules.0.class: "contacts" is not a class; declared under classes: contact',
    ],
    [
      "a class and kinds",
      "classes: { contact: [email] }\nrules:\n  - { id: a, class: contact, kinds: [ssn], action: mask }",
      "governance.yaml:3: rules.0.kinds: a class has its own kinds",
    ],
    [
      "a class of unknown kinds",
      "classes:\n  contact: [fax]",
      "governance.yaml:2: classes.contact.0: must be one of ssn",
    ],
    ["a class of nothing", "classes:\n  contact: 5", "governance.yaml:2: classes.contact: is not a class"],
    [
      "an unknown word in a rule",
      "rules:\n  - { id: a, feild: x, action: mask }",
      "governance.yaml:2: rules.0.feild: is not a key",
    ],
    ["invalid YAML", "rules: [", "governance.yaml:1: invalid YAML"],
    ["an alias bomb", `a: &a [x]\nb: [${Array(100).fill("*a").join(",")}]`, "governance.yaml:"],
    ["a list", "[]", "governance.yaml:1: "],
  ])("reports %s with its line and path", (_, text, expected) => {
    const reading = readPolicy("governance.yaml", text);

    expect(reading.ok ? "it was accepted" : reading.message).toContain(expected);
  });

  it("blocks all personal data if it is empty", () => {
    expect(readPolicy("governance.yaml", "")).toEqual({ ok: true, policy: { otherwise: "block", rules: [] } });
  });
});

describe("the entity", { tags: "row-22" }, () => {
  const vettedEntity = (policy: string, entity: string) => {
    const target = sheet.targets[0] as MappedPayload["target"];
    return vet(aPolicy(policy), { target, entity, fields: { rate: 1 } }, aKey);
  };

  it.each(["123-45-6789", "ann@agency.example", "4111 1111 1111 1111"])(
    "blocks the packet if it is personal data: %s",
    (entity) => {
      const { verdict, decisions } = vettedEntity("otherwise: mask", entity);

      expect(verdict).toBe("block");
      expect(decisions).toEqual([expect.objectContaining({ field: "entity", action: "block", rule: "otherwise" })]);
      expect(JSON.stringify(decisions)).not.toContain(entity);
    },
  );

  it("passes if a rule allows its kind", () => {
    const policy = rule("{ id: key-by-email, field: entity, kinds: [email], action: allow }");

    expect(vettedEntity(policy, "ann@agency.example").verdict).toBe("allow");
    expect(vettedEntity(policy, "123-45-6789").verdict).toBe("block");
  });
});

describe("the policy's JSON Schema", { tags: "row-22" }, () => {
  const check = new Ajv2020({ strict: false }).compile(policyJsonSchema());

  it("accepts the project's own policy and the documentation's example", () => {
    const documented = /```yaml\n(otherwise:[\s\S]*?)```/.exec(readFileSync("docs/governance.md", "utf8"))?.[1];

    for (const text of [readFileSync("governance.yaml", "utf8"), documented ?? ""]) {
      expect(check(parse(text)), JSON.stringify(check.errors)).toBe(true);
      expect(readPolicy("governance.yaml", text).ok).toBe(true);
    }
  });

  it("refuses policies that the reader refuses", () => {
    expect(check(parse("rules: [{ id: a, field: x, action: shred }]"))).toBe(false);
    expect(check(parse("rulez: []"))).toBe(false);
  });
});
