import { createHash } from "node:crypto";
import { seededRandom } from "./clock.ts";
import { Dice, grouped } from "./dice.ts";

/** One personal value that must not appear in any log, and the field that contains it. */
export interface PlantedValue {
  readonly field: string;
  readonly value: string;
}

/** Generators of the planted values, by field. No detector finds names and addresses; their fields are declared. */
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

export const plantedFields = Object.keys(makers);

/** Fields whose values no detector finds in free text. */
const declaredOnly = new Set(["full_name", "home_address"]);

/** Fields whose values are found by their format alone, without a label. */
const knownFormat = new Set(["ssn", "email", "phone", "card", "iban", "ip"]);

/** Returns 200 distinct values of twelve fields. Each seed yields different values. */
export function plantedValues(seed: number): readonly PlantedValue[] {
  const dice = new Dice(seededRandom(seed));
  return Array.from({ length: 200 }, (_, i) => {
    const field = plantedFields[i % plantedFields.length] as string;
    return { field, value: (makers[field] as (dice: Dice, i: number) => string)(dice, i) };
  });
}

/** Returns free text that labels the value, or `undefined` if no detector can find the value in free text. */
export function labeledText({ field, value }: PlantedValue): string | undefined {
  return declaredOnly.has(field) ? undefined : `${field.replaceAll("_", " ")}: ${value}`;
}

/** Returns true if a detector finds the value without a label, for example as a record's key. */
export function hasKnownFormat({ field }: PlantedValue): boolean {
  return knownFormat.has(field);
}

/** Returns a value as it is and in the encodings and hashes in which it could leak. */
function formsOf(value: string): string[] {
  const digest = createHash("sha256").update(value).digest();
  return [
    value,
    JSON.stringify(value).slice(1, -1),
    encodeURIComponent(value),
    Buffer.from(value).toString("base64"),
    digest.toString("hex"),
    digest.toString("base64"),
  ];
}

/** Returns the field of each planted value found in the text, without the value itself. */
export function leakedFields(text: string, values: readonly PlantedValue[]): string[] {
  return values.flatMap(({ field, value }) => (formsOf(value).some((form) => text.includes(form)) ? [field] : []));
}
