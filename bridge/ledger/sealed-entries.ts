import type { KeyObject } from "node:crypto";
import type { LedgerEntry, LedgerIssue } from "../model/ledger-entry.ts";
import type { Clock } from "../ports/clock.ts";
import type { RememberedSeal } from "../ports/records.ts";
import type { AppendedPort, SealsPort } from "../ports/seals.ts";
import { openSeal, type Seal, type Sealed, sealedIn, sealIssue } from "./seal.ts";

/** Something wrong with a seal itself. */
export interface SealIssue {
  readonly seal: number;
  readonly message: string;
}

/** Seals and keys that a ledger is verified against. */
export interface Evidence {
  readonly seals: SealsPort;
  readonly appended: AppendedPort;
  /** From a place that is trusted more than the seals' own. Without one no seal is good. */
  readonly publicKey: KeyObject | undefined;
  readonly clock: Pick<Clock, "now">;
  /** Seals somebody has kept a copy of, whoever may have changed all others since. */
  readonly kept?: readonly RememberedSeal[];
}

/** Extent of the seals, and of the entries that are not sealed yet. */
export interface Covered {
  seals: number;
  /** Time of the newest seal. ms since the epoch */
  newest?: number | undefined;
  unsealed: number;
  /** Time of the first entry that is not sealed. ms since the epoch */
  oldest?: number | undefined;
  readonly settlingMs: number;
}

/** The most hashes held in memory: about 100 MB. A larger ledger is read through several times. */
const maxHeld = 1_000_000;

/** Entries read at a time, of those that no seal covers yet. */
const slice = 1_000;

/**
 * The seals in order, each found good in its place; or the first fault, and then nothing more.
 *
 * @param first the number to begin with; the one before it is checked by itself only
 */
export async function* goodSeals(
  { seals, publicKey, kept = [] }: Evidence,
  first = 1,
): AsyncGenerator<Seal | SealIssue> {
  const fault = (seal: number, message: string): SealIssue => ({ seal, message });
  const begin = Math.max(1, first - 1);
  let number = begin;
  let before: Seal | undefined;
  const remembered = await seals.remembered?.();
  const known = remembered ? [...kept, remembered] : kept;
  for await (const found of seals.from(begin)) {
    if (found.number !== number) return yield fault(number, "is missing");
    const seal = openSeal(found.text);
    if (!seal) return yield fault(number, "cannot be read as a seal");
    if (seal.statement.seal !== number) return yield fault(number, `is seal ${seal.statement.seal} by its own word`);
    if (!publicKey) return yield fault(number, "cannot be checked: the key it was signed with is gone");
    const isFirst = number === begin && first > 1;
    const wrong = sealIssue(seal, isFirst ? "unknown" : before, publicKey);
    if (wrong) return yield fault(number, wrong);
    if (known.some((other) => other.number === number && other.hash !== seal.hash)) {
      return yield fault(number, "is not the one that was made");
    }
    if (!isFirst) yield seal;
    before = seal;
    number++;
  }
  if (known.some((other) => other.number >= number)) yield fault(number, "was made and is not there");
}

/** The number of the first seal made at or after a time, by halves; one more than there are where none was. */
export async function firstSealSince(seals: SealsPort, since: number): Promise<number> {
  let from = 1;
  let to = ((await seals.last())?.number ?? 0) + 1;
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    if ((await timeOf(seals, middle)) < since) from = middle + 1;
    else to = middle;
  }
  return from;
}

async function timeOf(seals: SealsPort, number: number): Promise<number> {
  for await (const { text } of seals.from(number)) return Date.parse(openSeal(text)?.statement.at ?? "");
  return Number.NaN;
}

/**
 * The sealed entries as a set that the ledger is held against, entry by entry.
 *
 * Sealed entries come in the order they were appended, the ledger chain by chain: so the seals are read first and
 * their hashes kept, and where those are too many, a part of them at a time. An entry's hash stands for its chain, its
 * number and all it says.
 */
export class SealedEntries implements Covered {
  /** Number of passes over the ledger. It is known once the first part is loaded. */
  parts = 1;
  seals = 0;
  newest: number | undefined;
  unsealed = 0;
  oldest: number | undefined;
  readonly settlingMs: number;
  readonly #evidence: Evidence;
  readonly #maxHeld: number;
  #part = 0;
  #sealed = new Set<string>();
  #fresh = new Set<string>();
  #to = "";

  constructor(evidence: Evidence, limit = maxHeld) {
    this.settlingMs = evidence.appended.settlingMs;
    this.#evidence = evidence;
    this.#maxHeld = limit;
  }

  /** Reads the seals, and then what no seal covers yet. @returns what is wrong with the seals themselves */
  async load(part: number): Promise<SealIssue | undefined> {
    this.#part = part;
    this.#sealed.clear();
    this.#fresh.clear();
    this.seals = 0;
    this.unsealed = 0;
    for await (const seal of goodSeals(this.#evidence)) {
      if ("message" in seal) return seal;
      for (const { hash } of sealedIn(seal)) this.#hold(this.#sealed, hash);
      this.seals++;
      this.newest = Date.parse(seal.statement.at);
      this.#to = seal.statement.to;
    }
    await this.#readFresh();
    return undefined;
  }

  async #readFresh(): Promise<void> {
    for (;;) {
      const { entries, to } = await this.#evidence.appended.read(this.#to, slice);
      if (to === this.#to) return;
      for (const { hash } of entries) this.#hold(this.#fresh, hash);
      if (this.unsealed === 0) this.oldest = entries[0]?.at;
      this.unsealed += entries.length;
      this.#to = to;
    }
  }

  #hold(set: Set<string>, hash: string): void {
    const key = keyOf(hash);
    if (!this.#isInPart(key)) return;
    set.add(key);
    if (this.#part > 0 || this.#sealed.size + this.#fresh.size <= this.#maxHeld) return;
    this.parts *= 2;
    for (const held of [this.#sealed, this.#fresh])
      for (const other of held) if (!this.#isInPart(other)) held.delete(other);
  }

  /** Hashes are distributed evenly, so their first two bytes choose the part. */
  #isInPart(key: string): boolean {
    return ((key.charCodeAt(0) << 8) | key.charCodeAt(1)) % this.parts === this.#part;
  }

  /** Holds entries of the ledger against the seals. */
  async check(entries: readonly LedgerEntry[]): Promise<LedgerIssue | undefined> {
    for (const entry of entries) {
      const key = keyOf(entry.hash);
      if (!this.#isInPart(key) || this.#sealed.delete(key) || this.#fresh.has(key)) continue;
      // The bridge is at work, and this was appended after we looked.
      await this.#readFresh();
      if (this.#fresh.has(key) || this.#isSettling(entry)) continue;
      return this.#strange(entry);
    }
    return undefined;
  }

  #isSettling({ at }: LedgerEntry): boolean {
    return this.settlingMs > 0 && at > this.#evidence.clock.now() - this.settlingMs;
  }

  async #strange({ chain, seq }: LedgerEntry): Promise<LedgerIssue> {
    const listed = await this.#find((sealed) => sealed.chain === chain && sealed.seq === seq);
    if (listed) return changedIssue(listed.entry, listed.seal);
    return { chain, seq, message: "stands in no seal, and was not appended since the last: it was put in" };
  }

  /** Returns the first sealed entry that was not found, once the whole ledger has been compared. */
  async missing(): Promise<LedgerIssue | undefined> {
    if (this.#sealed.size === 0) return undefined;
    const found = await this.#find(({ hash }) => this.#sealed.has(keyOf(hash)));
    return found && missingIssue(found.entry, found.seal);
  }

  async #find(fits: (sealed: Sealed) => boolean): Promise<{ entry: Sealed; seal: Seal } | undefined> {
    for await (const seal of goodSeals(this.#evidence)) {
      if ("message" in seal) return undefined;
      for (const entry of sealedIn(seal)) if (fits(entry)) return { entry, seal };
    }
    return undefined;
  }
}

export function missingIssue({ chain, seq }: Sealed, seal: Seal): LedgerIssue {
  return { chain, seq, message: `is gone: ${nameOf(seal)} lists it` };
}

export function changedIssue({ chain, seq }: Sealed, seal: Seal): LedgerIssue {
  return { chain, seq, message: `was changed after it was sealed: ${nameOf(seal)} lists another hash` };
}

function nameOf({ statement }: Seal): string {
  return `seal ${statement.seal} of ${statement.at}`;
}

/** 128 bits of a hash as 16 one-byte characters: a text of its own, where a slice would keep the whole list alive. */
function keyOf(hash: string): string {
  return Buffer.from(hash.slice(0, 32), "hex").toString("latin1");
}
