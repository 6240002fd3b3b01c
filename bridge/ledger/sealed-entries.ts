import type { KeyObject } from "node:crypto";
import type { LedgerEntry, LedgerIssue } from "../model/ledger-entry.ts";
import type { Clock } from "../ports/clock.ts";
import type { RememberedSeal } from "../ports/records.ts";
import type { AppendedPort, SealsPort } from "../ports/seals.ts";
import { openSeal, type Seal, type Sealed, sealedIn, sealIssue } from "./seal.ts";

/** Problem with a seal itself. */
export interface SealIssue {
  readonly seal: number;
  readonly message: string;
}

/** Seals and appended entries that a ledger is checked against. */
export interface Evidence {
  readonly seals: SealsPort;
  readonly appended: AppendedPort;
  /** Key from a source more trusted than the storage of the seals. Without it, no seal is valid. */
  readonly publicKey: KeyObject | undefined;
  readonly clock: Pick<Clock, "now">;
  /** Numbers and hashes of seals, kept elsewhere. They reveal a change even if all stored seals were rewritten. */
  readonly kept?: readonly RememberedSeal[];
}

/** Counts of what is sealed and what is not yet sealed. */
export interface SealCoverage {
  seals: number;
  /** Creation time of the newest seal, in ms since the epoch. */
  newest?: number | undefined;
  unsealed: number;
  /** Time of the oldest unsealed entry, in ms since the epoch. */
  oldest?: number | undefined;
  readonly settlingMs: number;
}

/** Maximum number of hashes in memory, about 100 MB. A larger ledger is read several times. */
const maxHeld = 1_000_000;

/** Unsealed entries per read. */
const slice = 1_000;

/**
 * Yields the seals in order, each verified in its position. Ends at the first problem, after yielding it.
 *
 * @param first number to start with; the previous seal is checked without its predecessor
 */
export async function* goodSeals(
  { seals, publicKey, kept = [] }: Evidence,
  first = 1,
): AsyncGenerator<Seal | SealIssue> {
  const issue = (seal: number, message: string): SealIssue => ({ seal, message });
  const begin = Math.max(1, first - 1);
  let number = begin;
  let before: Seal | undefined;
  const remembered = await seals.remembered?.();
  const known = remembered ? [...kept, remembered] : kept;
  for await (const found of seals.from(begin)) {
    if (found.number !== number) return yield issue(number, "is missing");
    const seal = openSeal(found.text);
    if (!seal) return yield issue(number, "is malformed");
    if (seal.statement.seal !== number) return yield issue(number, `has the statement of seal ${seal.statement.seal}`);
    if (!publicKey) return yield issue(number, "cannot be checked: its public key is missing");
    const isFirst = number === begin && first > 1;
    const wrong = sealIssue(seal, isFirst ? "unknown" : before, publicKey);
    if (wrong) return yield issue(number, wrong);
    if (known.some((other) => other.number === number && other.hash !== seal.hash)) {
      return yield issue(number, "is not the seal that was created");
    }
    if (!isFirst) yield seal;
    before = seal;
    number++;
  }
  if (known.some((other) => other.number >= number)) yield issue(number, "was created but is missing");
}

/** Finds the first seal created at or after a time. If there is none, returns the newest number plus one. */
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
 * Set of sealed entries against which the ledger is checked, entry by entry.
 *
 * Seals list entries in append order, but the ledger is read chain by chain. The seals are therefore read first and
 * their hashes kept in memory, one part at a time if there are too many. An entry's hash covers its chain, its number
 * and its content.
 */
export class SealedEntries implements SealCoverage {
  /** Number of times the ledger has to be read. Known once the first part is loaded. */
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

  /**
   * Reads the seals, then the entries that no seal covers yet.
   *
   * @returns the first problem with the seals themselves
   */
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

  /** Hashes are distributed evenly, so their first two bytes select the part. */
  #isInPart(key: string): boolean {
    return ((key.charCodeAt(0) << 8) | key.charCodeAt(1)) % this.parts === this.#part;
  }

  /** Checks entries of the ledger against the seals. */
  async check(entries: readonly LedgerEntry[]): Promise<LedgerIssue | undefined> {
    for (const entry of entries) {
      const key = keyOf(entry.hash);
      if (!this.#isInPart(key) || this.#sealed.delete(key) || this.#fresh.has(key)) continue;
      // The bridge is running, so the entry may have been appended after the last read.
      await this.#readFresh();
      if (this.#fresh.has(key) || this.#isSettling(entry)) continue;
      return this.#unknownIssue(entry);
    }
    return undefined;
  }

  #isSettling({ at }: LedgerEntry): boolean {
    return this.settlingMs > 0 && at > this.#evidence.clock.now() - this.settlingMs;
  }

  async #unknownIssue({ chain, seq }: LedgerEntry): Promise<LedgerIssue> {
    const listed = await this.#find((sealed) => sealed.chain === chain && sealed.seq === seq);
    if (listed) return changedIssue(listed.entry, listed.seal);
    return { chain, seq, message: "is in no seal and was not appended since the newest seal: it was inserted" };
  }

  /** Returns the first sealed entry that was not found. Call it after the whole ledger was checked. */
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

/** Returns 128 bits of a hash as 16 one-byte characters. Copies them, because a slice would keep the list in memory. */
function keyOf(hash: string): string {
  return Buffer.from(hash.slice(0, 32), "hex").toString("latin1");
}
