import { hash } from "node:crypto";
import { canonicalJson, inOrder } from "./values/canonical-json.ts";
import type { Json } from "./values/json.ts";

export const openStatuses = ["QUEUED", "RETRY", "HELD"] as const;
export const closedStatuses = ["SENT", "UNCHANGED", "SUPERSEDED", "DISCARDED"] as const;
export const statuses = [...openStatuses, ...closedStatuses] as const;

export type Status = (typeof statuses)[number];
export type ClosedStatus = (typeof closedStatuses)[number];

export function isClosed(status: Status): status is ClosedStatus {
  return (closedStatuses as readonly Status[]).includes(status);
}

/** `NOTED`: no change of HMS, but what an operator has done to the bridge. */
export const eventStatuses = ["EXPANDING", "EXPANDED", "UNMATCHED", "QUARANTINED", "NOTED"] as const;
export type EventStatus = (typeof eventStatuses)[number];

/** What a ledger entry says happened: a packet's new status, or a step of an event. `ERASED`: what it carried is gone. */
export type Step = Status | EventStatus | "DUPLICATE" | "ERASED";

/** Facts of a step: hashes, names, counts and codes. Never a value, a secret or personal data. */
export type Facts = { readonly [name: string]: Json };

/** One step of one packet or event. */
export interface LedgerEntry {
  /** The packet's id or the event's key: each has a chain of its own. */
  readonly chain: string;
  /** 1, 2, 3 … */
  readonly seq: number;
  /** ms since the epoch */
  readonly at: number;
  readonly step: Step;
  readonly facts: Facts;
  /** The hash of the entry before, or 64 zeros. */
  readonly prev: string;
  /** SHA-256 over the canonical JSON (RFC 8785) of all the above. */
  readonly hash: string;
}

/** Where a chain ends: kept in the packet's own record, so that a cut tail is seen. */
export interface Tail {
  readonly seq: number;
  readonly hash: string;
}

const genesis = "0".repeat(64);

/**
 * From where a packet or event may go where. A step outside this table is a fault in our own code and throws, before
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

/** Appends to a chain. @throws where the step is not legal after the last one */
export function append(
  chain: string,
  last: { readonly tail: Tail; readonly step: Step } | undefined,
  entry: { readonly at: number; readonly step: Step; readonly facts: Facts },
): LedgerEntry {
  const from = last?.step ?? "NEW";
  if (!legal[from].includes(entry.step)) {
    throw new Error(`${chain} cannot go from ${from} to ${entry.step}; this is a fault of the bridge`);
  }
  const { at, step } = entry;
  // In the order of canonical JSON, as the whole entry: so it costs little to hash, now and at every check.
  const facts = inOrder(entry.facts) as Facts;
  const body = { at, chain, facts, prev: last?.tail.hash ?? genesis, seq: (last?.tail.seq ?? 0) + 1, step };
  return { ...body, hash: hashOf(body) };
}

export function tailOf(entry: LedgerEntry): Tail {
  return { seq: entry.seq, hash: entry.hash };
}

function hashOf(body: Omit<LedgerEntry, "hash">): string {
  return hash("sha256", canonicalJson(body));
}

/** The first thing wrong with a ledger. */
export interface LedgerFault {
  readonly chain: string;
  readonly seq: number;
  readonly message: string;
}

/**
 * Checks one chain from its first entry.
 *
 * @param tail where the packet's own record says the chain ends
 */
export function verifyChain(chain: string, entries: readonly LedgerEntry[], tail: Tail): LedgerFault | undefined {
  const fault = (seq: number, message: string): LedgerFault => ({ chain, seq, message });
  let prev = genesis;
  let from: Step | "NEW" = "NEW";
  for (const [i, entry] of entries.entries()) {
    const { hash, ...body } = entry;
    if (entry.seq !== i + 1) return fault(i + 1, `entry ${i + 1} is missing`);
    if (entry.chain !== chain) return fault(entry.seq, `the entry belongs to ${entry.chain}`);
    if (entry.prev !== prev) return fault(entry.seq, "does not follow from the entry before it");
    if (hashOf(body) !== hash) return fault(entry.seq, "was changed after it was written");
    if (!legal[from].includes(entry.step)) return fault(entry.seq, `${from} cannot become ${entry.step}`);
    prev = hash;
    from = entry.step;
  }
  if (tail.seq > entries.length)
    return fault(entries.length + 1, `the last ${tail.seq - entries.length} entries are missing`);
  if (tail.seq < entries.length) return fault(tail.seq + 1, "stands after the chain's end");
  return tail.hash === prev ? undefined : fault(tail.seq, "is not the entry the packet's record ends with");
}
