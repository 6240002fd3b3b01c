import { hash } from "node:crypto";
import {
  closedStatuses,
  type Facts,
  type LedgerEntry,
  type LedgerIssue,
  type Step,
  type Tail,
} from "../model/ledger-entry.ts";
import { InvariantError } from "../values/bridge-error.ts";
import { canonicalJson, sortKeys } from "../values/canonical-json.ts";

const genesis = "0".repeat(64);

/**
 * Legal transitions of a packet or event. A step outside this table is a bug in the bridge; `append` throws before
 * anything is written.
 */
const legal: Readonly<Record<Step | "NEW", readonly Step[]>> = {
  NEW: ["QUEUED", "HELD", "EXPANDING", "EXPANDED", "UNMATCHED", "QUARANTINED", "NOTED"],
  QUEUED: ["QUEUED", "RETRY", "HELD", ...closedStatuses],
  RETRY: ["QUEUED", "RETRY", "HELD", ...closedStatuses],
  HELD: ["QUEUED", "SUPERSEDED", "DISCARDED"],
  SENT: ["ERASED"],
  UNCHANGED: ["ERASED"],
  SUPERSEDED: ["ERASED"],
  DISCARDED: ["ERASED"],
  EXPANDING: ["EXPANDED", "DUPLICATE"],
  EXPANDED: ["DUPLICATE", "ERASED"],
  UNMATCHED: ["DUPLICATE", "ERASED"],
  QUARANTINED: ["DUPLICATE", "ERASED"],
  NOTED: [],
  DUPLICATE: ["EXPANDED", "DUPLICATE", "ERASED"],
  ERASED: ["DUPLICATE"],
};

/**
 * Creates the next entry of a chain.
 *
 * @throws if the step is not legal after the previous one
 */
export function append(
  chain: string,
  last: { readonly tail: Tail; readonly step: Step } | undefined,
  entry: { readonly at: number; readonly step: Step; readonly facts: Facts },
): LedgerEntry {
  const from = last?.step ?? "NEW";
  if (!legal[from].includes(entry.step)) {
    throw new InvariantError(`${chain} cannot go from ${from} to ${entry.step}`);
  }
  const { at, step } = entry;
  // Keys are in canonical order, here and in the whole entry, which makes hashing cheap now and at every verification.
  const facts = sortKeys(entry.facts) as Facts;
  const body = { at, chain, facts, prev: last?.tail.hash ?? genesis, seq: (last?.tail.seq ?? 0) + 1, step };
  return { ...body, hash: hashOf(body) };
}

export function tailOf(entry: LedgerEntry): Tail {
  return { seq: entry.seq, hash: entry.hash };
}

function hashOf(body: Omit<LedgerEntry, "hash">): string {
  return hash("sha256", canonicalJson(body));
}

/**
 * Checks one chain from its first entry.
 *
 * @param tail end of the chain according to the record of the packet or event
 */
export function verifyChain(chain: string, entries: readonly LedgerEntry[], tail: Tail): LedgerIssue | undefined {
  const issue = (seq: number, message: string): LedgerIssue => ({ chain, seq, message });
  let prev = genesis;
  let from: Step | "NEW" = "NEW";
  for (const [i, entry] of entries.entries()) {
    const { hash, ...body } = entry;
    if (entry.seq !== i + 1) return issue(i + 1, `entry ${i + 1} is missing`);
    if (entry.chain !== chain) return issue(entry.seq, `the entry belongs to ${entry.chain}`);
    if (entry.prev !== prev) return issue(entry.seq, "does not follow from the entry before it");
    if (hashOf(body) !== hash) return issue(entry.seq, "was changed after it was written");
    if (!legal[from].includes(entry.step)) return issue(entry.seq, `${from} cannot become ${entry.step}`);
    prev = hash;
    from = entry.step;
  }
  if (tail.seq > entries.length) return issue(entries.length + 1, missingEntries(tail.seq - entries.length));
  if (tail.seq < entries.length) return issue(tail.seq + 1, "is after the end of the chain");
  return tail.hash === prev ? undefined : issue(tail.seq, "is not the last entry according to the packet's record");
}

function missingEntries(count: number): string {
  return count === 1 ? "the last entry is missing" : `the last ${count} entries are missing`;
}
