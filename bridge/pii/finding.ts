/** Kinds of personal data that the detectors find. */
export const dataKinds = [
  "ssn",
  "email",
  "phone",
  "card",
  "iban",
  "ip",
  "birthdate",
  "passport",
  "license",
  "bank",
] as const;
export type DataKind = (typeof dataKinds)[number];

/** One piece of personal data in a text. */
export interface Finding {
  readonly kind: DataKind;
  /** The normalized text: plain digits, hyphens and spaces. */
  readonly text: string;
  /** Start in the original text, inclusive. */
  readonly index: number;
  /** End in the original text, exclusive. */
  readonly end: number;
}
