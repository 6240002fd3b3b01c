import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { detect, maskText } from "../../../bridge/pii/detect.ts";
import { type DataKind, dataKinds } from "../../../bridge/pii/finding.ts";
import { cpuMs } from "../../support/cpu-time.ts";

const personal: Readonly<Record<DataKind, readonly (string | [text: string, field: string])[]>> = {
  ssn: [
    "123-45-6789",
    "SSN 123-45-6789.",
    "123 45 6789",
    "123.45.6789",
    "123\u201145\u20116789",
    "123\u201345\u20136789",
    "\uff11\uff12\uff13-\uff14\uff15-\uff16\uff17\uff18\uff19",
    "\u0661\u0662\u0663-\u0664\u0665-\u0666\u0667\u0668\u0669",
    "123\u00a045\u00a06789",
    ["123456789", "ssn"],
    ["123456789.0", "ssn"],
    ["123456789", "employeeSSN"],
    ["123456789", "social_security_number"],
    ["123456789", "taxpayer_id"],
    ["123-45-6789", "v"],
    ["123-45-6789", "part_no"],
  ],
  email: [
    "a@b.co",
    "r.alvarez@agency.example",
    "x+tag@sub.domain.example",
    "mail jürgen@münchen.example now",
    "<a.b@c.gov>",
    "o'neil@x.example",
  ],
  phone: [
    "+1 202 555 0143",
    "(202) 555-0143",
    "202-555-0143",
    "202.555.0143",
    "202-555-0143 2026-03-01",
    "+1 202 555 0143 2026-03-01",
    "+12025550143",
    "+1.2025550143",
    "+49 30 901820 12",
    ["2025550143", "mobile"],
    ["2025550143", "workPhone"],
  ],
  card: [
    "4111 1111 1111 1111",
    "4111111111111111",
    "4111111111111111.",
    "4111111111111111.0",
    "4111-1111-1111-1111",
    "5500005555555559",
    "378282246310005",
    "card: 6011000990139424!",
    "4111 1111 1111 1111 12/27",
    "4111 1111 1111 1111 123",
    "12 4111 1111 1111 1111",
    "4111-1111-1111-1111-99",
  ],
  iban: [
    "DE89 3704 0044 0532 0130 00",
    "DE89370400440532013000",
    "GB82WEST12345698765432",
    "de89370400440532013000",
    "NO93 8601 1117 947",
    "DE89 3704 0044 0532 0130 00 2026",
    "GB82 WEST 1234 5698 7654 32 ref",
  ],
  ip: [
    "192.168.100.200",
    "from 2001:db8:85a3::8a2e:370:7334",
    ["1.2.3.4", "client_ip"],
    "dns 1.1.1.1",
    "203[.]0[.]113[.]42",
  ],
  birthdate: [
    "born on March 4, 1985",
    "DOB: 3/4/85",
    ["1985-03-04", "date_of_birth"],
    ["19850304", "dob"],
    ["19850304.0", "dob"],
  ],
  passport: ["passport no. C01X00T47", ["123456789", "passportNumber"]],
  license: ["driver's license D123-4567-8901", ["D1234567", "dl_number"]],
  bank: [
    "routing 021000021",
    "bank account 12345678",
    "sort code 20-00-00",
    ["1234567890", "account_number"],
    ["1234567890.00", "account_number"],
  ],
};

const harmless: readonly (string | [text: string, field: string])[] = [
  "2026-03-01",
  "2026-03-01T12:00:00Z",
  "2026-12-01T00:00:00+05:30",
  "01-12-2026",
  "000-45-6789",
  "666-45-6789",
  "900-45-6789",
  "123-00-6789",
  "123-45-0000",
  "123-45-67890",
  "0123-45-6789",
  "123-45 6789",
  "123456789",
  "4111111111111112",
  "0000000000000000",
  "1234567890123456",
  "DE00370400440532013000",
  "user@localhost",
  "@handle",
  "a@b",
  "not an e-mail at example.com",
  "1.2.3.4",
  "12345",
  "68.50",
  "1,234,567.89",
  "v1.2.3-rc.4",
  "policy_9ab34",
  "evt-46f6v3tt7vd3nuqq",
  "550e8400-e29b-41d4-a716-446655440000",
  "Room 202-555",
  ["123456789", "amount"],
  ["2025550143", "invoice"],
  ["12345678", "ssn"],
];

/** Units that, repeated many times, can make a pattern backtrack. */
const hostile = [
  ...[
    "a",
    "1",
    "1-",
    "1 ",
    "a.",
    "a@",
    "@a.",
    "DE89 ",
    "+1",
    "\uff11",
    "é",
    "(1",
    "1:",
    "a:",
    "&#49;",
    "%31",
    " at ",
    " dot ",
  ],
  ...[
    "one ",
    "tel 1",
    "0 1-",
    "12/",
    "aB1",
    "12.",
    "SSN ",
    "_at_",
    "\\u0031",
    "May 1 ",
    "DE12AB",
    "x@y.",
    '"@',
    "account ",
  ],
  ...["4 ", "5-", "ssn 1", "passport A1", "1.2.3.", "::", "\u200b1", "MTIz", "(dot)", "[at]", "born 1/", "@a dot "],
];

describe("detection of personal data", () => {
  for (const kind of dataKinds) {
    it.each(personal[kind])(`finds the kind ${kind} in %j`, (given) => {
      const [text, field] = typeof given === "string" ? [given] : given;

      expect(detect(text, field).map((found) => found.kind)).toEqual([kind]);
    });
  }

  it.each(harmless)("finds nothing in %j", (given) => {
    const [text, field] = typeof given === "string" ? [given] : given;

    expect(detect(text, field)).toEqual([]);
  });

  it("finds nothing in measured or computed numbers, whatever their digits", () => {
    const measured = fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .filter((value) => !Number.isInteger(value) && Math.abs(value) < 1e11);
    fc.assert(
      fc.property(measured, (value) => {
        expect(detect(String(value), "rate")).toEqual([]);
      }),
      { numRuns: 10_000, examples: [[0.004969248877156662], [0.1 + 0.2], [-4.111111111111111e-7]] },
    );
  });

  it("finds several kinds in one text, in order, and masks each by its kind", () => {
    const text = "Call +1 202 555 0143 or a@b.example about 123-45-6789, card 4111 1111 1111 1111";

    expect(detect(text).map(({ kind }) => kind)).toEqual(["phone", "email", "ssn", "card"]);
    expect(maskText(text)).toBe("Call +* *** *** 0143 or a***@b.example about ***-**-6789, card **** **** **** 1111");
    expect(maskText(text, new Set(["ssn"]))).toContain("a@b.example about ***-**-6789");
  });

  it("finds data directly after data of another kind", () => {
    const found = detect("+49 30 901820 12 123-45-6789 +49 30 901820 12").map(({ kind, text }) => [kind, text]);

    expect(found).toEqual([
      ["phone", "+49 30 901820 12"],
      ["ssn", "123-45-6789"],
      ["phone", "+49 30 901820 12"],
    ]);
  });

  it("finds unlabeled repetitions of a number that is labeled once", () => {
    expect(maskText("SSN 123-45-6789.; 123456789; 123456789")).toBe("SSN ***-**-6789.; *****6789; *****6789");
    expect(maskText("ssn: 123456789. It was entered in the form before, twice, as 123456789 and 1234567890.")).toBe(
      "ssn: *****6789. It was entered in the form before, twice, as *****6789 and 1234567890.",
    );
  });

  it("leaves no finding readable in a masked text", () => {
    // Only kinds that need no label: of two equal numbers, only one may have a label.
    const all = (["ssn", "email", "phone", "card", "iban"] as const).flatMap((kind) =>
      personal[kind].map((given) => (typeof given === "string" ? given : given[0])),
    );
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...all, " ", ", ", "é", "😀", "x"), { maxLength: 8 }), (parts) => {
        // The separator matters: two telephone numbers with only a space between them read as one long number.
        const text = parts.join("; ");
        const masked = maskText(text);
        for (const { kind, text: found } of detect(text)) {
          if (kind !== "email") expect(masked).not.toContain(found);
        }
      }),
    );
  });

  it.each(hostile)("searches a long run of %j in time", (unit) => {
    // As large as the largest packet. CPU time is measured, because the machine may be busy.
    const text = unit.repeat(Math.floor(262_144 / unit.length));
    const began = cpuMs();

    detect(text);

    expect(cpuMs() - began).toBeLessThan(1_000);
  });

  it("searches random text in time and returns ordered findings that do not overlap", () => {
    const pieces = fc.oneof(
      fc.constantFrom(...hostile),
      fc.string({ unit: "binary", maxLength: 20 }),
      fc.stringMatching(/^[0-9 ().+/-]{1,30}$/),
    );
    const texts = fc.array(pieces, { maxLength: 40 }).map((parts) => parts.join(""));
    const began = cpuMs();

    fc.assert(
      fc.property(texts, (text) => {
        const found = detect(text, "note");
        let done = 0;
        for (const { index, end } of found) {
          expect(index).toBeGreaterThanOrEqual(done);
          expect(end).toBeGreaterThan(index);
          done = end;
        }
        expect(done).toBeLessThanOrEqual(text.length);
      }),
      { numRuns: 10_000 },
    );

    expect((cpuMs() - began) / 10_000).toBeLessThan(5);
  }, 120_000);
});
