import { seededRandom } from "../support/clock.ts";
import { Dice, grouped } from "../support/dice.ts";
import { type LabeledText, unmarked } from "./labeled-text.ts";

/**
 * Generates labeled texts by separate rules: other sentences, languages, formats and noise than in the texts the
 * detectors were developed with.
 *
 * They are for the final figures only. A detector must not be changed because of one of these texts, or it would be
 * fitted to them.
 *
 * @param perRule number of texts per rule
 */
export function heldOut(seed: number, perRule: number): LabeledText[] {
  const dice = new Dice(seededRandom(seed));
  return Object.values(makers).flatMap((make) => Array.from({ length: perRule }, () => make(dice)));
}

const people = ["Maria", "J. Okafor", "Mr. Singh", "Li Wei", "the applicant", "employee 4471", "Zoë", "my wife"];
const openers = [
  "",
  "",
  "Quick note: ",
  "Caller said ",
  "[2026-01-19 08:14] ",
  "Hello,\n",
  "RE: onboarding / ",
  "* ",
  "Anmerkung: ",
  "Nota: ",
];
const closers = ["", "", "\n-- sent from my phone", "; confirmed", " (verified by desk 3)", "!", "\t", ". Regards, HR"];

function inText(dice: Dice, marked: string, field = "comments"): LabeledText {
  return unmarked(dice.of(openers) + marked + dice.of(closers), field);
}

/** Returns a value as one cell of a record, among cells without personal data. */
function inRecord(dice: Dice, name: string, marked: string): LabeledText {
  return unmarked(
    dice.of([
      `{"id":${dice.int(1, 9_999)},"${name}":"${marked}","active":true}`,
      `id=${dice.int(1, 999)}; ${name}=${marked}; step=${dice.int(1, 9)}`,
      `<row><id>${dice.int(1, 99)}</id><${name}>${marked}</${name}></row>`,
      `${name}|${marked}|GS-${dice.int(5, 15)}`,
      `${name}\t${marked}`,
    ]),
    dice.of(["payload", "raw", "body", "line"]),
  );
}

const wide = (text: string) => text.replace(/[!-~]/g, (sign) => String.fromCharCode(sign.charCodeAt(0) + 0xfee0));
const sprinkled = (dice: Dice, text: string) => [...text].join(dice.of(["\u200b", "\u200c", "\u2060", "\ufeff"]));

const ibanForms = [
  ["IT", "XNNNNNNNNNNNNNNNNNNNNNN"],
  ["BE", "NNNNNNNNNNNN"],
  ["AT", "NNNNNNNNNNNNNNNN"],
  ["PL", "NNNNNNNNNNNNNNNNNNNNNNNN"],
  ["PT", "NNNNNNNNNNNNNNNNNNNNN"],
  ["SE", "NNNNNNNNNNNNNNNNNNNN"],
  ["IE", "AIBKNNNNNNNNNNNNNN"],
  ["AE", "NNNNNNNNNNNNNNNNNNN"],
  ["DK", "NNNNNNNNNNNNNN"],
] as const;

const internationalPhones = [
  "+31 6 1NNNNNNN",
  "+31 20 5NN NNNN",
  "+41 44 2NN NN NN",
  "+43 1 5NNNNNN",
  "+46 70 1NN NN NN",
  "+47 22 NN NN NN",
  "+48 22 5NN NN NN",
  "+32 2 5NN NN NN",
  "+351 21 3NN NNNN",
  "+64 21 2NN NNNN",
  "+27 82 3NN NNNN",
  "+65 91NN NNNN",
  "+972 50-2NN-NNNN",
  "+7 495 1NN-NN-NN",
  "+86 138 NNNN NNNN",
  "+82 10-2NNN-NNNN",
];

const nationalPhones = [
  "06-1NNNNNNN",
  "044 2NN NN NN",
  "070-1NN NN NN",
  "22 5NN NN NN",
  "02 5NN NN NN",
  "0131 496 0NNN",
  "04NN NNN NNN",
];

const monthNames: Readonly<Record<string, readonly string[]>> = {
  en: "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec".split(" "),
  de: "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split(" "),
  fr: "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split(" "),
  es: "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split(" "),
};

const births: readonly (readonly [label: string, language: string])[] = [
  ["was born ", "en"],
  ["D.O.B. ", "en"],
  ["birthdate: ", "en"],
  ["birth date ", "en"],
  ["born: ", "en"],
  ["date-of-birth=", "en"],
  ["geboren am ", "de"],
  ["Geburtsdatum: ", "de"],
  ["née le ", "fr"],
  ["date de naissance : ", "fr"],
  ["nacido el ", "es"],
  ["fecha de nacimiento: ", "es"],
];

function birthIn(dice: Dice, language: string): string {
  const [year, month, day] = dice.date(1935, 2007);
  const [mm, dd] = [String(month).padStart(2, "0"), String(day).padStart(2, "0")];
  const name = monthNames[language]?.[month - 1] as string;
  if (language === "de") return dice.of([`${dd}.${mm}.${year}`, `${day}. ${name} ${year}`, `${day}.${month}.${year}`]);
  if (language === "fr") return dice.of([`${dd}/${mm}/${year}`, `${day} ${name} ${year}`]);
  if (language === "es") return dice.of([`${dd}/${mm}/${year}`, `${day} de ${name} de ${year}`]);
  return dice.of([
    `${year}/${mm}/${dd}`,
    `${name} ${day} ${year}`,
    `${day} ${name} ${year}`,
    `${mm}.${dd}.${year}`,
    `${name}. ${day}, ${year}`,
    `${year}-${mm}-${dd}`,
    `${day}th of ${name} ${year}`,
    `${month}-${day}-${year}`,
  ]);
}

function ibanOf(dice: Dice): string {
  const [country, form] = dice.of(ibanForms);
  return dice.iban(country, form);
}

const makers: Readonly<Record<string, (dice: Dice) => LabeledText>> = {
  ssnInText: (dice) => {
    const value = grouped(dice.ssn(), [3, 2], dice.of(["-", "\u2013", "\u2011", "\u00a0", " - ", "."]));
    const who = dice.of(people);
    const text = dice.of([
      `${who}'s SSN is «ssn:${value}»`,
      `${who} (SSN «ssn:${value}») transferred`,
      `Social Security: «ssn:${value}»`,
      `please use «ssn:${value}» for ${who}`,
      `«ssn:${value}» is the soc sec number of ${who}`,
      `Soc. Sec. No.: «ssn:${value}»`,
    ]);
    return inText(dice, text);
  },
  ssnWithoutSeparators: (dice) => {
    const value = dice.ssn();
    const text = dice.of([
      `SSN of ${dice.of(people)} is «ssn:${value}»`,
      `SSN-«ssn:${value}»`,
      `social security «ssn:${value}»`,
      `Soc Sec # «ssn:${value}»`,
      `her social is «ssn:${value}»`,
    ]);
    return inText(dice, text);
  },
  ssnObfuscated: (dice) => {
    const dashed = grouped(dice.ssn(), [3, 2], "-");
    const value = dice.of([
      wide(dashed),
      sprinkled(dice, dashed),
      dashed.replaceAll("-", "\u2212"),
      dashed.replaceAll("-", "&#45;"),
      dashed.replaceAll("-", "%2D"),
      [...dashed].join(" "),
    ]);
    return inText(dice, `number «ssn:${value}» on file`);
  },
  ssnInRecord: (dice) =>
    inRecord(
      dice,
      dice.of(["ssn", "SSN", "socialSecurityNumber", "emp_ssn"]),
      `«ssn:${dice.of([dice.ssn(), grouped(dice.ssn(), [3, 2], "-")])}»`,
    ),
  mailInText: (dice) => {
    const name = dice.of(["t.nguyen", "b-schmidt", "sales", "j_doe", "A.B.C", "o.oconnor", "łukasz", "99bottles"]);
    const host = dice.of([
      "city.example.us",
      "firma.example.de",
      "dept.state.gov",
      "foo-bar.io",
      "sub.a.museum",
      "kmail.co.in",
    ]);
    const text = dice.of([
      `E-Mail: «email:${name}@${host}»`,
      `mailto:«email:${name}@${host}»`,
      `${dice.of(people)} <«email:${name}@${host}»>`,
      `"«email:${name}@${host}»"`,
      `écrivez à «email:${name}@${host}»`,
      `«email:${name}@${host}»,«email:x${name}@${host}»`,
    ]);
    return inText(dice, text);
  },
  mailObfuscated: (dice) => {
    const name = dice.of(["t.nguyen", "bschmidt", "jdoe42", "anna.k"]);
    const value = dice.of([
      `${name}{at}firma{dot}de`,
      `${name} [at] dept [dot] gov`,
      `${name} (AT) city (DOT) us`,
      wide(`${name}@city.us`),
      sprinkled(dice, `${name}@city.us`),
      `${name}&commat;city&period;us`,
      `${name}\uff20city.us`,
      `${name}%40city%2Eus`,
      `${name} at gmail dot com`,
    ]);
    return inText(dice, `write to «email:${value}»`);
  },
  mailInRecord: (dice) =>
    inRecord(dice, dice.of(["email", "mail", "approver"]), `«email:p${dice.digits(3)}@agency.gov»`),
  phoneInternational: (dice) => {
    const number = dice.form(dice.of(internationalPhones));
    const value = dice.of([
      number,
      number.replaceAll(/[ -]/g, ""),
      number.replaceAll(" ", "."),
      number.replace(/ (\d+)/, " ($1)"),
    ]);
    const text = dice.of([
      `«phone:${value}»`,
      `Tlf: «phone:${value}»`,
      `WhatsApp «phone:${value}»`,
      `reach ${dice.of(people)} at «phone:${value}»`,
      `numéro : «phone:${value}»`,
    ]);
    return inText(dice, text);
  },
  phoneNational: (dice) => {
    const value = dice.form(dice.of(nationalPhones));
    const label = dice.of([
      "Tel ",
      "mobiel ",
      "Tel.: ",
      "telefono ",
      "my mobile is ",
      "Mobil: ",
      "phone no ",
      "telefone: ",
      "Rufnummer ",
    ]);
    return inText(dice, `${label}«phone:${value}»`);
  },
  phoneNorthAmerican: (dice) => {
    const [area, exchange, line] = [dice.form("XN7"), dice.form("XN9"), dice.digits(4)];
    const value = dice.of([
      `(${area}) ${exchange}-${line}`,
      `${area}-${exchange}-${line}`,
      `1 ${area} ${exchange} ${line}`,
      `${area}\u2011${exchange}\u2011${line}`,
      `${area}/${exchange}-${line}`,
      `+1.${area}.${exchange}.${line}`,
      `(${area}) ${exchange} ${line}`,
      `1 (${area}) ${exchange}-${line}`,
    ]);
    const text = dice.of([
      `my number is «phone:${value}»`,
      `${dice.of(people)}: «phone:${value}» ext ${dice.digits(3)}`,
      `«phone:${value}» (cell)`,
      `ph «phone:${value}»`,
      `Contact ${dice.of(people)} on «phone:${value}»`,
      `M: «phone:${value}»`,
    ]);
    return inText(dice, text);
  },
  phoneWithoutSeparators: (dice) => {
    const label = dice.of(["call me at ", "cell: ", "tel:", "phone#", "mobile no. ", "text ", "voicemail "]);
    return inText(dice, `${label}«phone:${dice.form("XN7XN9NNNN")}»`);
  },
  phoneInRecord: (dice) =>
    inRecord(
      dice,
      dice.of(["phone", "mobilePhone", "tel", "contact_phone"]),
      `«phone:${dice.form(dice.of(["XN7XN9NNNN", "XN7-XN9-NNNN", "+44 7911 NNNNNN"]))}»`,
    ),
  cardInText: (dice) => {
    const [form, sizes] = dice.of([
      ["4NNNNNNNNNNNNNNN", [4, 4, 4]],
      ["5243NNNNNNNNNNNN", [4, 4, 4]],
      ["34NNNNNNNNNNNNN", [4, 6]],
      ["6221NNNNNNNNNNNN", [4, 4, 4]],
      ["6501NNNNNNNNNNNN", [4, 4, 4]],
      ["3589NNNNNNNNNNNN", [4, 4, 4]],
    ] as const);
    const value = grouped(dice.card(form), sizes, dice.of(["", " ", "-", ".", "\u00a0", "  ", "_"]));
    const text = dice.of([
      `credit card «card:${value}»`,
      `charged «card:${value}» yesterday`,
      `Mastercard ending soon: «card:${value}», ${dice.form("0X/2N")}`,
      `pan=«card:${value}»`,
      `Kreditkarte «card:${value}»`,
      `«card:${value}»`,
    ]);
    return inText(dice, text);
  },
  cardObfuscated: (dice) => {
    const digits = dice.card("4NNNNNNNNNNNNNNN");
    const value = dice.of([
      wide(digits),
      sprinkled(dice, digits),
      [...digits].join(" "),
      grouped(digits, [4, 4, 4], "\u2013"),
    ]);
    return inText(dice, `cc «card:${value}»`);
  },
  cardInRecord: (dice) =>
    inRecord(dice, dice.of(["card", "pan", "cc_number", "value"]), `«card:${dice.card("5411NNNNNNNNNNNN")}»`),
  ibanInText: (dice) => {
    const iban = ibanOf(dice);
    const value = dice.of([
      iban,
      iban.replace(/(.{4})(?=.)/g, "$1 "),
      iban.replace(/(.{4})(?=.)/g, "$1\u00a0"),
      iban.replace(/^(.{4})/, "$1 "),
    ]);
    const text = dice.of([
      `Bankverbindung «iban:${value}»`,
      `please pay into «iban:${value}» by Friday`,
      `IBAN:«iban:${value}»;BIC:AIBKIE2D`,
      `rekening «iban:${value}»`,
    ]);
    return inText(dice, text);
  },
  ibanInRecord: (dice) => inRecord(dice, dice.of(["iban", "account", "payee"]), `«iban:${ibanOf(dice)}»`),
  ipInText: (dice) => {
    const four = dice.ipv4();
    const six = dice.of([
      dice.form("2607:f8b0:HHHH:HHH::HHHH"),
      dice.form("2001:0db8:85a3:0000:0000:8a2e:HHHH:HHHH"),
      `::ffff:${four}`,
      dice.form("fd12:HHHH:HHHH::1"),
    ]);
    const text = dice.of([
      `${four.length > 0 ? "" : ""}«ip:${four}» - - "GET / HTTP/1.1" 200 ${dice.int(100, 99_999)}`,
      `http://«ip:${four}»:8080/login`,
      `ssh root@host from «ip:${four}» port ${dice.int(1_024, 65_535)}`,
      `source «ip:${six}» denied`,
      `peer [«ip:${six}»]:443`,
      `subnet «ip:${four}»/24`,
      `X-Forwarded-For: «ip:${four}», «ip:${dice.ipv4()}»`,
    ]);
    return inText(dice, text, "log");
  },
  ipInRecord: (dice) => inRecord(dice, dice.of(["ip", "clientIp", "addr"]), `«ip:${dice.ipv4()}»`),
  birthInText: (dice) => {
    const [label, language] = dice.of(births);
    const who = language === "en" ? `${dice.of(people)} ` : "";
    return inText(dice, `${who}${label}«birthdate:${birthIn(dice, language)}»`);
  },
  birthInRecord: (dice) =>
    inRecord(
      dice,
      dice.of(["dob", "birthDate", "date_of_birth"]),
      `«birthdate:${birthIn(dice, "en").replace(/^the .*/, "1971-05-06")}»`,
    ),
  birthInField: (dice) =>
    unmarked(
      `«birthdate:${birthIn(dice, dice.of(["en", "de", "fr", "es"]))}»`,
      dice.of(["birthdate", "DOB", "geburtsdatum", "person.date_of_birth", "fecha_nacimiento"]),
    ),
  passportInText: (dice) => {
    const value = dice.form(dice.of(["NNNNNNNNN", "ANNNNNNN", "AANNNNNNN", "CN1XNNTNN"]));
    const label = dice.of([
      "passport# ",
      "holds passport ",
      "Passport ID ",
      "pasaporte ",
      "Reisepassnummer: ",
      "passport number is ",
      "passaporto n. ",
      "Passport: ",
    ]);
    return inText(dice, `${label}«passport:${value}»`);
  },
  passportInRecord: (dice) =>
    inRecord(dice, dice.of(["passport", "passportNo", "passport_number"]), `«passport:${dice.form("ANNNNNNNN")}»`),
  licenseInText: (dice) => {
    const value = dice.form(dice.of(["ANNNNNNN", "NNNNNNNNN", "ANN-NN-NNNN", "AANNNNNN", "NNAAANNNN"]));
    const label = dice.of([
      "drivers license number ",
      "DL no. ",
      "driving license: ",
      "driver's lic. ",
      "Führerschein ",
      "permis de conduire ",
      "driver license # ",
      "licencia de conducir ",
    ]);
    return inText(dice, `${label}«license:${value}»`);
  },
  licenseInRecord: (dice) =>
    inRecord(dice, dice.of(["driverLicense", "drivers_license_no", "dlNumber"]), `«license:${dice.form("ANNNNNNN")}»`),
  bankInText: (dice) => {
    const account = dice.digits(dice.int(8, 12));
    const text = dice.of([
      `savings acct «bank:${account}»`,
      `RTN «bank:${dice.routing()}»`,
      `direct deposit to account «bank:${account}», routing «bank:${dice.routing()}»`,
      `A/C no «bank:${account}»`,
      `Kontonummer «bank:${account}»`,
      `bank acct number: «bank:${account}»`,
    ]);
    return inText(dice, text);
  },
  bankInRecord: (dice) =>
    dice.of([
      () => inRecord(dice, "routingNumber", `«bank:${dice.routing()}»`),
      () => inRecord(dice, dice.of(["bank_account", "accountNumber"]), `«bank:${dice.digits(10)}»`),
    ])(),
  harmlessNumber: (dice) => inText(dice, dice.form(dice.of(harmlessNumbers))),
  harmlessInRecord: (dice) =>
    inRecord(
      dice,
      dice.of(["qty", "total", "ref", "etag", "seq", "checksum", "created", "lot"]),
      dice.form(dice.of(harmlessCells)),
    ),
  harmlessInField: (dice) =>
    unmarked(
      dice.form(dice.of(harmlessCells)),
      dice.of(["total_due", "gl_code", "work_order", "asset_tag", "latitude", "effective_date", "hash", "release"]),
    ),
  harmlessSentence: (dice) => inText(dice, dice.of(harmlessSentences)),
};

/** Numbers of all kinds that are not personal data. */
const harmlessNumbers = [
  "WO-NNNNN-20NN",
  "confirmation NNNNNNNN",
  "docket 20NN-NNNN",
  "flight UA NNNN, gate B1N",
  "UPC 0NNNNN NNNNNN",
  "EAN 40NNNNNNNNNNN",
  "TAS 0NN-20NN/20NN-NNNN-000",
  "GL code 6NNN-0NN-NNNN",
  "NPI 1NNNNNNNNN",
  "claim no. NNNNNNNNNN",
  "batch NNNN-NN-NNNN",
  "38.8NNN° N, 77.0NNN° W",
  "POINT(-77.0NNNNN 38.8NNNNN)",
  "commit HHHHHHHHHHHH",
  "md5:HHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHH",
  'etag "HHHHHHHHHHHHHHHH"',
  "release 2N.0X.N",
  "node v2N.1N.N and npm 1N.N.N",
  "firmware 4.1N.2.0",
  "12 345 678,90 EUR",
  "USD 9,NNN,NNN.00",
  "budget 1NNNNNN.NN",
  "pages 123-145",
  "2026-0X-1N to 2026-1N-2N".replace("1N-2N", "12-20"),
  "20260X1NT0X0000Z",
  "week 2026-W1N",
  "17:0N-18:3N",
  "ratio 1N:1N",
  "FedEx 7NNN NNNN NNNN",
  "lot 55-NNN-NNN",
  "ISO 8601-1:2019",
  "RFC 7231 section 6.5.1",
  "NSN 5305-01-NNN-NNNN",
  "VIN 1HGCM82633A0NNNNN",
  "CAGE 1ABC5, DUNS NN-NNN-NNNN",
  "std::vector<int>::iterator",
  "range 1000-2000-3000",
];

const harmlessCells = [
  "NNNNNN",
  "NNNNNNNN",
  "1NNNNNNNN.NN",
  "0.NNNNNNNNNNNNNNNN",
  "HHHHHHHH-HHHH-4HHH-9HHH-HHHHHHHHHHHH",
  "HHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHH",
  "38.8NNNNN",
  "-77.0NNNNN",
  "2026-0X-1N",
  "2026-0X-1NT12:NN:00Z".replace("12:NN", "12:30"),
  "AA-NNNNN",
  "3.1N.2",
  "true",
  "1,NNN",
  "NNN/NNN",
];

const harmlessSentences = [
  "The SSN field is left empty for contractors",
  "passport photo must be 2 x 2 inches",
  "license plate readers log 1200 cars an hour",
  "the account team has 14 members",
  "born leader, promoted in 2019",
  "birthday party on Friday at 3 pm",
  "call the help desk for code 4410 errors",
  "phone system upgrade, phase 2 of 4",
  "routing of 500 letters takes 3 days",
  "look at the dotted line, then sign",
  "card reader 7 is offline since 06:00",
  "meet at noon at gate 4",
  "email bounced 3 times",
  "software license 2024-A expires 2027-01-31",
  "telephone allowance 45.00 per month",
  "driver license office moves to 1200 Main St",
  "DOB verification done 2026-02-01",
  "order shipped; call if late",
  "increase per diem from 62 to 68 for FY2026",
  "mobile app version 7.4.1 released",
];
