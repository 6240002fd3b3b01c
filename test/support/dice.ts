import type { Random } from "../../bridge/ports/clock.ts";

/** Draws random values of the kinds that the detectors of personal data look for. */
export class Dice {
  readonly #random: Pick<Random, "fraction">;

  constructor(random: Pick<Random, "fraction">) {
    this.#random = random;
  }

  /** Returns an integer; both ends are inclusive. */
  int(from: number, to: number): number {
    return from + Math.floor(this.#random.fraction() * (to - from + 1));
  }

  of<T>(things: readonly T[]): T {
    return things[this.int(0, things.length - 1)] as T;
  }

  digits(count: number): string {
    return Array.from({ length: count }, () => this.int(0, 9)).join("");
  }

  /** Fills in a pattern: `N` a digit, `X` a digit from 2 to 9, `A` a letter, `H` a hexadecimal digit. */
  form(pattern: string): string {
    return pattern.replace(/[NXAH]/g, (sign) => {
      if (sign === "N") return this.digits(1);
      if (sign === "X") return String(this.int(2, 9));
      return this.of([...(sign === "A" ? "BCDEFGKLMPQRSTVWZ" : "0123456789abcdef")]);
    });
  }

  /** Returns the nine digits of a number that the Social Security Administration may have issued. */
  ssn(): string {
    const area = this.of([this.int(1, 665), this.int(667, 899)]);
    return `${String(area).padStart(3, "0")}${String(this.int(1, 99)).padStart(2, "0")}${String(this.int(1, 9_999)).padStart(4, "0")}`;
  }

  /** @param form digits, with `N` for any digit; the last one is replaced by the check digit */
  card(form: string): string {
    const digits = this.form(form).slice(0, -1);
    for (let check = 0; check <= 9; check++) if (luhn(`${digits}${check}`)) return `${digits}${check}`;
    throw new Error(`no check digit fits ${digits}`);
  }

  /** @param form pattern of the account number, which follows country and check digits */
  iban(country: string, form: string): string {
    const account = this.form(form);
    const value = [...`${account}${country}00`].map((char) => Number.parseInt(char, 36)).join("");
    return `${country}${String(98n - (BigInt(value) % 97n)).padStart(2, "0")}${account}`;
  }

  /** @returns year, month and day */
  date(from: number, to: number): [number, number, number] {
    return [this.int(from, to), this.int(1, 12), this.int(1, 28)];
  }

  ipv4(): string {
    return [this.int(11, 223), this.int(0, 255), this.int(0, 255), this.int(1, 254)].join(".");
  }

  /** Returns an ABA routing number: nine digits, the last one its check digit. */
  routing(): string {
    const digits = `0${this.int(1, 9)}${this.digits(6)}`;
    const sum = [...digits].reduce((total, digit, i) => total + Number(digit) * ([3, 7, 1][i % 3] as number), 0);
    return `${digits}${(10 - (sum % 10)) % 10}`;
  }
}

/** Splits digits into groups: `grouped("123456789", [3, 2, 4], "-")` returns `123-45-6789`. */
export function grouped(digits: string, sizes: readonly number[], separator: string): string {
  const groups: string[] = [];
  let at = 0;
  for (const size of sizes) {
    groups.push(digits.slice(at, at + size));
    at += size;
  }
  if (at < digits.length) groups.push(digits.slice(at));
  return groups.join(separator);
}

export function luhn(digits: string): boolean {
  const sum = [...digits].reverse().reduce((total, digit, i) => {
    const doubled = i % 2 === 1 ? Number(digit) * 2 : Number(digit);
    return total + (doubled > 9 ? doubled - 9 : doubled);
  }, 0);
  return sum % 10 === 0;
}
