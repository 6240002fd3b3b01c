import { seededRandom } from "../support/clock.ts";
import { Dice, grouped } from "../support/dice.ts";
import { type LabeledText, unmarked } from "./labeled-text.ts";

/**
 * Generates labeled texts by rules, for developing the detectors.
 *
 * The rules were written before the detectors and represent how people, forms and programs write personal data.
 * `held-out.ts` has different rules, for the final figures.
 *
 * @param perRule number of texts per rule
 */
export function generated(seed: number, perRule: number): LabeledText[] {
  const dice = new Dice(seededRandom(seed));
  return Object.values(makers).flatMap((make) => Array.from({ length: perRule }, () => make(dice)));
}

const months = "January February March April May June July August September October November December".split(" ");

/** Cards by issuer: Visa, Mastercard, American Express, Discover, JCB, Diners, UnionPay, Maestro. */
const cards = [
  ["4NNNNNNNNNNNNNNN", [4, 4, 4]],
  ["4NNNNNNNNNNNNNNN", [4, 4, 4]],
  ["53NNNNNNNNNNNNNN", [4, 4, 4]],
  ["2223NNNNNNNNNNNN", [4, 4, 4]],
  ["37NNNNNNNNNNNNN", [4, 6]],
  ["6011NNNNNNNNNNNN", [4, 4, 4]],
  ["3530NNNNNNNNNNNN", [4, 4, 4]],
  ["3056NNNNNNNNNN", [4, 6]],
  ["62NNNNNNNNNNNNNN", [4, 4, 4]],
] as const;

const ibans = [
  ["DE", "NNNNNNNNNNNNNNNNNN"],
  ["GB", "BARCNNNNNNNNNNNNNN"],
  ["FR", "NNNNNNNNNNNNNNNNNNNNNNN"],
  ["ES", "NNNNNNNNNNNNNNNNNNNN"],
  ["NL", "ABNANNNNNNNNNN"],
  ["CH", "NNNNNNNNNNNNNNNNN"],
  ["NO", "NNNNNNNNNNN"],
  ["SA", "NNNNNNNNNNNNNNNNNNNN"],
] as const;

/** Telephone numbers outside North America, in international form. */
const internationalPhones = [
  "+44 20 7NNN NNNN",
  "+44 7911 NNNNNN",
  "+49 30 2NNNNNNN",
  "+49 171 NNNNNNN",
  "+33 1 42 NN NN NN",
  "+33 6 12 NN NN NN",
  "+34 612 NNN NNN",
  "+39 347 NNN NNNN",
  "+52 55 5NNN NNNN",
  "+55 11 9NNNN-NNNN",
  "+91 98NNN NNNNN",
  "+81 90-1NNN-NNNN",
  "+61 4NN NNN NNN",
  "+353 1 8NN NNNN",
] as const;

/** Telephone numbers in national form. Only a label distinguishes them from other numbers. */
const nationalPhones = [
  "030 2NNNNNNN",
  "0171 NNNNNNN",
  "020 7NNN NNNN",
  "06 12 NN NN NN",
  "91 5NN NN NN",
  "(011) 4NN-NNNN",
];

function northAmerican(dice: Dice): string {
  const [area, exchange, line] = [dice.form("XN5"), dice.form("XN3"), dice.digits(4)];
  return dice.of([
    `(${area}) ${exchange}-${line}`,
    `${area}-${exchange}-${line}`,
    `${area}.${exchange}.${line}`,
    `${area} ${exchange} ${line}`,
    `+1 ${area} ${exchange} ${line}`,
    `+1${area}${exchange}${line}`,
    `1-${area}-${exchange}-${line}`,
    `(${area})${exchange}-${line}`,
    `+1 (${area}) ${exchange}-${line}`,
  ]);
}

function cardOf(dice: Dice): string {
  const [form, sizes] = dice.of(cards);
  return grouped(dice.card(form), sizes, dice.of(["", " ", "-", "", " "]));
}

function emailOf(dice: Dice): string {
  const name = dice.of(["jane.doe", "r_alvarez", "k.o'brien", "info", "h.müller", "x+news", "Ann.Lee", "m2"]);
  const host = dice.of(["agency.gov", "example.com", "mail.example.co.uk", "uni-köln.de", "x.org", "post.example.fr"]);
  return `${name}${dice.int(1, 99)}@${host}`;
}

function dateOf(dice: Dice, [year, month, day]: readonly [number, number, number]): string {
  const [mm, dd] = [String(month).padStart(2, "0"), String(day).padStart(2, "0")];
  const name = months[month - 1] as string;
  return dice.of([
    `${year}-${mm}-${dd}`,
    `${mm}/${dd}/${year}`,
    `${dd}.${mm}.${year}`,
    `${month}/${day}/${year}`,
    `${name} ${day}, ${year}`,
    `${day} ${name} ${year}`,
    `${dd}-${name.slice(0, 3)}-${year}`,
    `${mm}-${dd}-${year}`,
    `${mm}/${dd}/${String(year).slice(2)}`,
  ]);
}

function ipv6(dice: Dice): string {
  return dice.of([
    dice.form("2001:db8:HHHH:HHHH:HHHH:HHHH:HHHH:HHHH"),
    dice.form("2a02:HHHH::HHHH"),
    dice.form("fe80::HHHH:HHHH:HHHH:HHHH"),
    dice.form("2001:db8::1"),
  ]);
}

const fillers = [
  "",
  "Please update the record. ",
  "Hi team, ",
  "Per our call on 2026-02-11, ",
  "Employee transferred to unit 42. ",
  "FYI: ",
  "(see ticket 88213) ",
];
const endings = ["", ".", " Thanks!", ", as agreed", " before 5 pm.", " - see file"];

function inText(dice: Dice, text: string, field?: string): LabeledText {
  return unmarked(`${dice.of(fillers)}${text}${dice.of(endings)}`, field);
}

const makers: Readonly<Record<string, (dice: Dice) => LabeledText>> = {
  ssnFormatted: (dice) => {
    const value = grouped(dice.ssn(), [3, 2], dice.of(["-", " ", ".", "-"]));
    const label = dice.of(["SSN ", "SSN: ", "social security number is ", "her number is ", "", "SS# ", "(SSN) "]);
    return inText(dice, `${label}«ssn:${value}»`);
  },
  ssnBare: (dice) => {
    const label = dice.of([
      "SSN ",
      "SSN: ",
      "Social Security Number ",
      "SS# ",
      "social security no. ",
      "ssn=",
      "TIN: ",
    ]);
    return inText(dice, `${label}«ssn:${dice.ssn()}»`);
  },
  ssnField: (dice) =>
    unmarked(
      `«ssn:${dice.of([dice.ssn(), grouped(dice.ssn(), [3, 2], "-")])}»`,
      dice.of(["ssn", "employeeSSN", "social_security_number", "SocialSecurityNo", "employee.ssn", "tax_payer_id"]),
    ),
  email: (dice) => inText(dice, `${dice.of(["mail ", "contact: ", "", "<", "cc "])}«email:${emailOf(dice)}»`),
  emailObfuscated: (dice) => {
    const [name = "", host = ""] = emailOf(dice)
      .normalize("NFD")
      .replace(/[^\x20-\x7e]/g, "")
      .split("@");
    const at = dice.of([" (at) ", "[at]", " at ", "(at)", " AT ", "&#64;", "%40", " @ "]);
    const dot =
      at.includes("&") || at.includes("%") || at === " @ " ? "." : dice.of([" (dot) ", "[dot]", " dot ", "."]);
    const dotted = at === " at " || at === " AT " ? " dot " : dot;
    return inText(dice, `reach me: «email:${name}${at}${host.replaceAll(".", dotted)}»`);
  },
  phoneNorthAmerican: (dice) =>
    inText(dice, `${dice.of(["call ", "phone: ", "", "cell ", "Tel. ", "fax "])}«phone:${northAmerican(dice)}»`),
  phoneInternational: (dice) => {
    const number = dice.form(dice.of(internationalPhones));
    const written = dice.of([
      number,
      number.replaceAll(/[ -]/g, ""),
      number.replaceAll(" ", "-"),
      number.replace("+", "00"),
    ]);
    return inText(dice, `${dice.of(["call ", "mobile ", "Tel: ", "ring "])}«phone:${written}»`);
  },
  phoneNational: (dice) => {
    const label = dice.of(["Tel. ", "Telefon: ", "phone ", "call me at ", "mobile: ", "Tél. ", "teléfono ", "Handy "]);
    return inText(dice, `${label}«phone:${dice.form(dice.of(nationalPhones))}»`);
  },
  phoneShort: (dice) =>
    inText(
      dice,
      `${dice.of(["call ", "phone ", "cell: ", "text me at ", "call me on "])}«phone:${dice.form("XN5-NNNN")}»`,
    ),
  phoneField: (dice) =>
    unmarked(
      `«phone:${dice.of([dice.form("XN5XN3NNNN"), northAmerican(dice), dice.form(dice.of(nationalPhones)), dice.form("XN5-NNNN")])}»`,
      dice.of(["phone", "mobile", "workPhone", "home_phone", "contact.cell", "fax", "telephone_number"]),
    ),
  card: (dice) =>
    inText(dice, `${dice.of(["card ", "card no. ", "", "Visa: ", "paid with ", "CC# "])}«card:${cardOf(dice)}»`),
  cardThen: (dice) => inText(dice, `card «card:${cardOf(dice)}» exp ${dice.form("0X/2N")} cvv ${dice.digits(3)}`),
  iban: (dice) => {
    const [country, form] = dice.of(ibans);
    const iban = dice.iban(country, form);
    const written = dice.of([
      iban,
      iban.replace(/(.{4})(?=.)/g, "$1 "),
      iban.replace(/(.{4})(?=.)/g, "$1-"),
      iban.toLowerCase(),
    ]);
    return inText(dice, `${dice.of(["IBAN ", "IBAN: ", "", "transfer to ", "Konto "])}«iban:${written}»`);
  },
  ip: (dice) => {
    const label = dice.of(["from ", "IP ", "client ip: ", "host=", "logged in from ", ""]);
    return inText(dice, `${label}«ip:${dice.of([dice.ipv4(), dice.ipv4(), ipv6(dice)])}»`);
  },
  ipField: (dice) => unmarked(`«ip:${dice.of([dice.ipv4(), ipv6(dice)])}»`, dice.of(["ip", "client_ip", "remoteAddr"])),
  born: (dice) => {
    const label = dice.of([
      "born on ",
      "DOB: ",
      "DOB ",
      "date of birth: ",
      "Date of Birth is ",
      "birthday ",
      "geb. ",
      "né le ",
    ]);
    return inText(dice, `${label}«birthdate:${dateOf(dice, dice.date(1930, 2008))}»`);
  },
  bornField: (dice) =>
    unmarked(
      `«birthdate:${dateOf(dice, dice.date(1930, 2008))}»`,
      dice.of(["dob", "birthDate", "date_of_birth", "employee.birthday", "BirthDt"]),
    ),
  passport: (dice) => {
    const number = dice.form(dice.of(["NNNNNNNNN", "ANNNNNNNN", "AANNNNNNN", "AANNNNNN"]));
    const label = dice.of([
      "passport ",
      "passport no. ",
      "Passport number: ",
      "US passport # ",
      "Reisepass ",
      "passeport n° ",
    ]);
    return inText(dice, `${label}«passport:${number}»`);
  },
  passportField: (dice) =>
    unmarked(`«passport:${dice.form("ANNNNNNNN")}»`, dice.of(["passport", "passport_no", "passportNumber"])),
  license: (dice) => {
    const number = dice.form(dice.of(["ANNNNNNN", "NNNNNNNN", "ANNN-NNNN-NNNN", "AANNNNNNA", "ANNNNNNNNNNNN"]));
    const label = dice.of([
      "driver's license ",
      "driver license no. ",
      "DL# ",
      "Driver’s licence: ",
      "driving licence ",
      "DL: ",
    ]);
    return inText(dice, `${label}«license:${number}»`);
  },
  licenseField: (dice) =>
    unmarked(`«license:${dice.form("ANNNNNNN")}»`, dice.of(["drivers_license", "driverLicenseNo", "dl_number"])),
  bank: (dice) => {
    const account = dice.digits(dice.int(8, 12));
    return dice.of([
      () => inText(dice, `routing number «bank:${dice.routing()}», account number «bank:${account}»`),
      () => inText(dice, `bank account «bank:${account}»`),
      () => inText(dice, `ABA «bank:${dice.routing()}» acct # «bank:${account}»`),
      () => inText(dice, `checking account no. «bank:${account}»`),
      () => inText(dice, `sort code «bank:${dice.form("NN-NN-NN")}»`),
    ])();
  },
  bankField: (dice) =>
    dice.of([
      () => unmarked(`«bank:${dice.routing()}»`, dice.of(["routing_number", "abaRouting", "bank.routing"])),
      () => unmarked(`«bank:${dice.digits(10)}»`, dice.of(["account_number", "bankAccount", "acct_no"])),
    ])(),
  harmlessNumber: (dice) => inText(dice, dice.form(dice.of(harmlessNumbers))),
  harmlessDate: (dice) => {
    const text = dice.of(["effective ", "hired on ", "due ", "as of ", "invoice date ", "meeting on ", ""]);
    return inText(dice, `${text}${dateOf(dice, dice.date(2015, 2026))}`);
  },
  harmlessField: (dice) =>
    unmarked(
      dice.form(dice.of(["NNNNNNNNN", "NNNNNNNNNN", "NNNNNN", "NN.NN", "NNNNNNNNNNNN", "1N.N.N", "XXNNNNN.NN"])),
      dice.of([
        "amount",
        "invoice",
        "order_id",
        "count",
        "version",
        "sequence",
        "budget",
        "position_id",
        "cost_center",
      ]),
    ),
  harmlessStamp: (dice) => {
    const [year, month, day] = dice.date(2015, 2027);
    const iso = new Date(
      Date.UTC(year, month - 1, day, dice.int(0, 23), dice.int(0, 59), dice.int(0, 59)),
    ).toISOString();
    return unmarked(
      dice.of([iso, iso.replace("T", " ").slice(0, 19), String(Date.parse(iso)), iso.slice(0, 10)]),
      "updated",
    );
  },
};

const harmlessNumbers = [
  "invoice INV-20NN-NNNNNN",
  "order 1NN-NNNNNNN-NNNNNNN",
  "order id NNNNNNNNN",
  "PO NNNNNNNNNN",
  "at 40.7NNNN, -74.0NNNN",
  "lat=4N.NNNNNN lon=-7N.NNNNNN",
  "version 1N.N.N",
  "v2.NN.N-rc.1",
  "part no. NNN-NN-NNNN",
  "part AA-NNNN-NN",
  "$1,NNN,NNN.NN",
  "EUR 1.NNN,NN",
  "HHHHHHHH-HHHH-4HHH-8HHH-HHHHHHHHHHHH",
  "sha HHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHH",
  "ticket NNNNNNN",
  "ISBN 978-3-16-NNNNNN-0",
  "ZIP 2NNNN-NNNN",
  "room 2NN-NNN",
  "tracking 1ZNNNNAANNNNNNNNNN",
  "from 09:30 to 17:45",
  "Section 4.2.1.3",
  "build 1NNNN.NNNN",
  "EIN NN-NNNNNNN",
  "00:1A:2B:HH:HH:HH",
  "SKU NNNN-NNNN-NNNN",
  "model XNN-NNNN",
  "case 2:2N-cv-0NNNN",
  "NN,NNN units at 1N.NN each",
  "10:15:30.NNN",
  "serial AANNNNNNNNNN",
  "grade GS-12, step 4, series 0343",
  "account manager for region 12",
  "the passport office opens at 9",
  "driver license renewal takes 10 days",
  "ext. 4N2N",
  "extension NNNN",
  "https://example.com/a/NNNNNNNN?page=2",
  "user@localhost",
  "@handle posted #NNNN",
] as const;
