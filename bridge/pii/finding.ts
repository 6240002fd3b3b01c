/** Kinds of personal data the detectors know. */
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

/** Personal data in a text. */
export interface Finding {
  readonly kind: DataKind;
  /** As it reads without its disguise: plain digits, hyphens and spaces. */
  readonly text: string;
  /** Where it stands in the text as given: from inclusive, to exclusive. */
  readonly index: number;
  readonly end: number;
}
