import type { DataKind, Finding } from "./finding.ts";
import { digitsOf } from "./text-scan.ts";

/**
 * Masks all but the last `kept` digits. Separators stay, so a target that validates the form still accepts the value.
 */
function maskDigits(text: string, kept: number): string {
  let left = digitsOf(text).length - kept;
  return text.replace(/\d/g, (digit) => (left-- > 0 ? "*" : digit));
}

/** Masks all but the last `kept` letters and digits. Separators stay. */
function maskCharacters(text: string, kept: number): string {
  let left = text.replace(/[^\p{L}\p{N}]/gu, "").length - kept;
  return text.replace(/[\p{L}\p{N}]/gu, (char) => (left-- > 0 ? "*" : char));
}

const masks: Readonly<Record<DataKind, (text: string) => string>> = {
  ssn: (text) => maskDigits(text, 4),
  email: (text) => `${text[0]}***${text.slice(text.lastIndexOf("@"))}`,
  phone: maskPhone,
  card: (text) => maskDigits(text, 4),
  iban: (text) => text.slice(0, 4) + maskCharacters(text.slice(4), 4),
  ip: maskIp,
  birthdate: maskDate,
  passport: (text) => maskCharacters(text, 2),
  license: (text) => maskCharacters(text, 2),
  bank: (text) => maskCharacters(text, 2),
};

/** Masks a finding. The result keeps the form and a few characters by which to recognize the value. */
export function mask({ kind, text }: Pick<Finding, "kind" | "text">): string {
  return masks[kind](text);
}

/** Keeps the last four digits of the number and masks the whole extension. */
function maskPhone(text: string): string {
  const end = /[\s,;]*(?:\p{L}|#)/u.exec(text)?.index ?? text.length;
  return maskDigits(text.slice(0, end), 4) + maskDigits(text.slice(end), 0);
}

/** Keeps the network part and clears the host part, so the result is still an address. */
function maskIp(text: string): string {
  if (!text.includes(":")) return text.replace(/\d+$/, "0");
  return `${text.split(":").slice(0, 3).join(":")}::`.replace(/:{3,}/, "::");
}

/** Keeps the year. A numeric date becomes January 1 of that year, so the result is still a date. */
function maskDate(text: string): string {
  const figures = text.replace(/[T ]\d{2}:\d{2}.*$/, "");
  if (/^\d{8}$/.test(figures))
    return /^(?:19|20)/.test(figures) ? `${figures.slice(0, 4)}0101` : `0101${figures.slice(4)}`;
  const year = /\d{4}/.exec(figures)?.[0];
  if (!/^[\d./ -]+$/.test(figures)) return year ?? "****";
  let part = 0;
  return figures.replace(/\d+/g, (digits) => {
    if (digits.length === 4 || (year === undefined && ++part === 3)) return digits;
    return "01".slice(-digits.length);
  });
}
