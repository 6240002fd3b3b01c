import type { Random } from "../../bridge/ports/clock.ts";

/** What a generator draws from. */
export class Dice {
  readonly #random: Pick<Random, "fraction">;

  constructor(random: Pick<Random, "fraction">) {
    this.#random = random;
  }

  /** A whole number, both ends inclusive. */
  int(from: number, to: number): number {
    return from + Math.floor(this.#random.fraction() * (to - from + 1));
  }

  of<T>(things: readonly T[]): T {
    return things[this.int(0, things.length - 1)] as T;
  }

  digits(count: number): string {
    return Array.from({ length: count }, () => this.int(0, 9)).join("");
  }

  /** `N` a digit, `X` a digit from 2 to 9, `A` a letter, `H` a hexadecimal digit; all else as it is. */
  form(pattern: string): string {
    return pattern.replace(/[NXAH]/g, (sign) => {
      if (sign === "N") return this.digits(1);
      if (sign === "X") return String(this.int(2, 9));
      return this.of([...(sign === "A" ? "BCDEFGKLMPQRSTVWZ" : "0123456789abcdef")]);
    });
  }

  /** Nine digits the Social Security Administration may have given out. */
  ssn(): string {
    const area = this.of([this.int(1, 665), this.int(667, 899)]);
    return `${String(area).padStart(3, "0")}${String(this.int(1, 99)).padStart(2, "0")}${String(this.int(1, 9_999)).padStart(4, "0")}`;
  }

  /** @param form digits, `N` where any may stand; the last is the check digit */
  card(form: string): string {
    const digits = this.form(form).slice(0, -1);
    for (let check = 0; check <= 9; check++) if (luhn(`${digits}${check}`)) return `${digits}${check}`;
    throw new Error("one of ten digits always fits");
  }

  /** @param form of the account behind country and check digits */
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

  /** Nine digits with the check digit of an ABA routing number. */
  routing(): string {
    const digits = `0${this.int(1, 9)}${this.digits(6)}`;
    const sum = [...digits].reduce((total, digit, i) => total + Number(digit) * ([3, 7, 1][i % 3] as number), 0);
    return `${digits}${(10 - (sum % 10)) % 10}`;
  }
}

/** Groups of digits with something between them: `grouped("123456789", [3, 2, 4], "-")`. */
export function grouped(digits: string, sizes: readonly number[], between: string): string {
  const groups: string[] = [];
  let at = 0;
  for (const size of sizes) {
    groups.push(digits.slice(at, at + size));
    at += size;
  }
  if (at < digits.length) groups.push(digits.slice(at));
  return groups.join(between);
}

export function luhn(digits: string): boolean {
  const sum = [...digits].reverse().reduce((total, digit, i) => {
    const doubled = i % 2 === 1 ? Number(digit) * 2 : Number(digit);
    return total + (doubled > 9 ? doubled - 9 : doubled);
  }, 0);
  return sum % 10 === 0;
}
