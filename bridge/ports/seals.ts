import type { LedgerEntry } from "../model/ledger-entry.ts";
import type { RememberedSeal } from "./records.ts";

/** The ledger in the order its entries were appended, across all chains. */
export interface AppendedPort {
  /**
   * Reads about `limit` entries appended after a position; `""` is the beginning.
   *
   * `to` is the position after the last entry read, and equals `after` if nothing follows yet. No entry appears later
   * before a position that was returned.
   */
  read(after: string, limit: number): Promise<{ readonly entries: readonly LedgerEntry[]; readonly to: string }>;
  /**
   * Reads the last entry before a position. Absent if the entries are stored beside their seals, because a restored
   * backup then has both.
   */
  lastBefore?(position: string): Promise<LedgerEntry | undefined>;
  /** Maximum time until a written entry is visible here, in ms. */
  readonly settlingMs: number;
}

/** Storage for seals, separate from the store. Each seal is written once. */
export interface SealsPort {
  /** Returns the seal with the highest number. */
  last(): Promise<StoredSeal | undefined>;
  /** Yields the seals from a number on, in order. A missing number is skipped. */
  from(number: number): AsyncIterable<StoredSeal>;
  /** Resolves once the seal is durable. `taken` means that the number exists already; that seal is left unchanged. */
  add(number: number, text: string): Promise<"added" | "taken">;
  /** Returns the newest seal known to the store, so that a removed seal is noticed. Absent if no store records it. */
  remembered?(): Promise<RememberedSeal | undefined>;
}

export interface StoredSeal {
  readonly number: number;
  readonly text: string;
}
