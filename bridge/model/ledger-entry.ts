import type { Json } from "../values/json.ts";

export const openStatuses = ["QUEUED", "RETRY", "HELD"] as const;
export const closedStatuses = ["SENT", "UNCHANGED", "SUPERSEDED", "DISCARDED"] as const;
export const statuses = [...openStatuses, ...closedStatuses] as const;

export type Status = (typeof statuses)[number];
export type ClosedStatus = (typeof closedStatuses)[number];

export function isClosed(status: Status): status is ClosedStatus {
  return (closedStatuses as readonly Status[]).includes(status);
}

/** Statuses of an event. `NOTED` is an operator's action on the bridge; all others belong to received events. */
export const eventStatuses = ["EXPANDING", "EXPANDED", "UNMATCHED", "QUARANTINED", "NOTED"] as const;
export type EventStatus = (typeof eventStatuses)[number];

/** Step that a ledger entry records: a packet's new status, or a step of an event. `ERASED`: the payload was erased. */
export type Step = Status | EventStatus | "DUPLICATE" | "ERASED";

/** Facts of a step: hashes, names, counts and codes. Never a value, a secret or personal data. */
export type Facts = { readonly [name: string]: Json };

/** One step of one packet or event. */
export interface LedgerEntry {
  /** The packet's id or the event's key. Each has its own chain. */
  readonly chain: string;
  /** Position in the chain: 1, 2, 3 … */
  readonly seq: number;
  /** Time of the step, in ms since the epoch. */
  readonly at: number;
  readonly step: Step;
  readonly facts: Facts;
  /** Hash of the previous entry, or 64 zeros for the first. */
  readonly prev: string;
  /** SHA-256 over the canonical JSON (RFC 8785) of all the properties above. */
  readonly hash: string;
}

/** End of a chain. It is stored in the record of the packet or event, so that a truncated chain is detected. */
export interface Tail {
  readonly seq: number;
  readonly hash: string;
}

/** The first inconsistency found in a ledger. */
export interface LedgerIssue {
  readonly chain: string;
  readonly seq: number;
  readonly message: string;
}
