import { createHash } from "node:crypto";
import { seededRandom } from "./clock.ts";
import { Dice, grouped } from "./dice.ts";

/** One value no log may have, and the field it stands in. */
export interface Planted {
  readonly field: string;
  readonly value: string;
}

/** What is planted, by the field it stands in. Names and places no detector can find: their fields are declared. */
const makers: Readonly<Record<string, (dice: Dice, i: number) => string>> = {
  ssn: (dice) => grouped(dice.ssn(), [3, 2], "-"),
  email: (dice) => `p${dice.digits(6)}.${dice.form("AAAA")}@agency.example`,
  phone: (dice) => dice.form("(XN5) XN4-NNNN"),
  card: (dice) => dice.card("4NNNNNNNNNNNNNNN"),
  iban: (dice) => dice.iban("DE", "NNNNNNNNNNNNNNNNNN"),
  ip: (dice) => dice.ipv4(),
  date_of_birth: (dice) => `19${dice.int(40, 99)}-0${dice.int(1, 9)}-${dice.int(10, 28)}`,
  passport: (dice) => dice.form("CNNNNNNNN"),
  drivers_license: (dice) => dice.form("DNNNNNNNN"),
  bank_account: (dice) => dice.digits(11),
  full_name: (dice, i) => `Zephyrine-${i} Quill${dice.form("AAAA")}`,
  home_address: (dice, i) => `${dice.digits(5)} Xylophone-${i} Row`,
};

export const plantedKinds = Object.keys(makers);

/** In free text no detector can tell these from other words. */
const declaredOnly = new Set(["full_name", "home_address"]);

/** Those are found by their form alone, without a word that says what they are. */
const plainToSee = new Set(["ssn", "email", "phone", "card", "iban", "ip"]);

/** 200 values, no two alike, of twelve kinds; another seed gives others. */
export function plantedValues(seed: number): readonly Planted[] {
  const dice = new Dice(seededRandom(seed));
  return Array.from({ length: 200 }, (_, i) => {
    const field = plantedKinds[i % plantedKinds.length] as string;
    return { field, value: (makers[field] as (dice: Dice, i: number) => string)(dice, i) };
  });
}

/** A person's own words, where they say what the value is: nothing for what no detector can find in words. */
export function inWordsOf({ field, value }: Planted): string | undefined {
  return declaredOnly.has(field) ? undefined : `${field.replaceAll("_", " ")}: ${value}`;
}

/** Whether a detector finds it where nothing says what it is, as where it is a record's key. */
export function isPlainToSee({ field }: Planted): boolean {
  return plainToSee.has(field);
}

/** Each value as it is, and in the forms a careless hand would give it. */
function formsOf(value: string): string[] {
  const plain = createHash("sha256").update(value).digest();
  return [
    value,
    JSON.stringify(value).slice(1, -1),
    encodeURIComponent(value),
    Buffer.from(value).toString("base64"),
    plain.toString("hex"),
    plain.toString("base64"),
  ];
}

/** The planted values a text holds, by their fields and without repeating them. */
export function foundIn(told: string, values: readonly Planted[]): string[] {
  return values.flatMap(({ field, value }) => (formsOf(value).some((form) => told.includes(form)) ? [field] : []));
}
