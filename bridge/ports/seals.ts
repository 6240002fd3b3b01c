import type { LedgerEntry } from "../model/ledger-entry.ts";
import type { RememberedSeal } from "./records.ts";

/** The ledger in the order its entries were appended, whatever their chains. */
export interface AppendedPort {
  /**
   * What was appended after a position, about `limit` of it; `""` is the beginning. `to` is the position it leads to,
   * and `after` itself where nothing follows yet. No entry turns up later before a position that was given.
   */
  read(after: string, limit: number): Promise<{ readonly entries: readonly LedgerEntry[]; readonly to: string }>;
  /** How long an entry that is in the ledger may take to show up here. ms */
  readonly settlingMs: number;
}

/** Where seals are kept: outside the store, and each written once. */
export interface SealsPort {
  /** The one with the highest number. */
  last(): Promise<StoredSeal | undefined>;
  /** From a number on, in order; a number that is missing is passed over. */
  from(number: number): AsyncIterable<StoredSeal>;
  /** Resolves when it will survive a crash. `taken` where there is one of that number: it stays as it is. */
  add(number: number, text: string): Promise<"added" | "taken">;
  /** The newest as the store remembers it, so that one that was taken away is missed. Absent where nobody can. */
  remembered?(): Promise<RememberedSeal | undefined>;
}

export interface StoredSeal {
  readonly number: number;
  readonly text: string;
}
