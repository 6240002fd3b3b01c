import type { Acceptance } from "./acceptance.ts";
import type { SourceEvent } from "./event.ts";

/**
 * Maximum time by which an event's own time may lie ahead of its acceptance. A later time is clamped. The clocks of two
 * machines may differ by this much.
 */
const maxAheadMs = 5 * 60_000;

/** Position of a change in time, fixed when the event is accepted. A revision changes only its `revision`. */
export interface Version {
  readonly source: string;
  readonly sequence?: number;
  /** Number of times that the source's sequence had started again, as confirmed by an operator. Default: 0. */
  readonly epoch?: number;
  /** Time of the change in ms since the epoch: the event's own time, clamped if it is too far in the future. */
  readonly time: number;
  /** Digits of the event's own time beyond the millisecond, without trailing zeros. */
  readonly fine?: string;
  /** The event's own time in ms since the epoch, if `time` was clamped. */
  readonly claimed?: number;
  /** True if the event has no time of its own. `time` is then the time of its acceptance. */
  readonly untimed?: true;
  /** Position in the order of acceptance; see `Acceptance`. Never a time. */
  readonly accepted: number;
  /** Time of acceptance in ms since the epoch, if it differs from what `accepted` suggests: the clock was set back. */
  readonly acceptedAt?: number;
  /** Orders versions with the same `accepted`. */
  readonly tie?: string;
  readonly revision: number;
}

/**
 * Returns the version that all packets of an event share. `clamped` is true if the event's time was too far in the
 * future.
 *
 * @param epoch number of times that the source's sequence had started again
 */
export function versionOf(
  event: SourceEvent,
  { accepted, acceptedAt, tie }: Acceptance,
  epoch = 0,
): { version: Version; clamped: boolean } {
  const own = event.time === undefined ? undefined : Date.parse(event.time);
  const latest = acceptedAt + maxAheadMs;
  const clamped = own !== undefined && own > latest;
  const fine = clamped ? "" : fineDigits(event.time);
  return {
    version: {
      source: event.source,
      ...(event.sequence !== undefined && { sequence: event.sequence, ...(epoch > 0 && { epoch }) }),
      time: clamped ? latest : (own ?? acceptedAt),
      ...(fine !== "" && { fine }),
      ...(clamped && { claimed: own }),
      ...(own === undefined && { untimed: true }),
      accepted,
      ...(Math.abs(acceptedAt - accepted / 1_000) > maxDriftMs && { acceptedAt }),
      ...(tie !== undefined && { tie }),
      revision: 0,
    },
    clamped,
  };
}

/** Difference between time and order of acceptance that is too small to matter. Many stamps in one ms cause it. */
const maxDriftMs = 1_000;

function fineDigits(time = ""): string {
  const [, digits = ""] = /\.\d{3}(\d+)/.exec(time) ?? [];
  return digits.replace(/0+$/, "");
}

/**
 * Compares two changes by age: below zero if `a` is older, 0 only for the same change.
 *
 * - Of one source, a change with a higher sequence is newer, and a change without a sequence is older than any with one.
 * - All others are compared by time, to its last digit. A change without a time counts as made when it was accepted.
 * - Otherwise, the order of acceptance decides, then the revision.
 *
 * Distinct sequences, or distinct times, of one source therefore give one order, in whichever order the changes arrive.
 */
export function compareVersions(a: Version, b: Version): number {
  return (
    compareSequences(a, b) ||
    compareTimes(a, b) ||
    a.accepted - b.accepted ||
    compareText(a.tie, b.tie) ||
    a.revision - b.revision
  );
}

/** Returns true if two changes of one source cannot be compared by what the source says, because only one says it. */
export function isMixedOrder(a: Version, b: Version): boolean {
  if (a.source !== b.source) return false;
  if ((a.sequence === undefined) !== (b.sequence === undefined)) return true;
  return a.sequence === undefined && a.untimed !== b.untimed;
}

function compareSequences(a: Version, b: Version): number {
  if (a.source !== b.source) return 0;
  if (a.sequence === undefined || b.sequence === undefined) {
    return Number(a.sequence !== undefined) - Number(b.sequence !== undefined);
  }
  return (a.epoch ?? 0) - (b.epoch ?? 0) || a.sequence - b.sequence;
}

function compareTimes(a: Version, b: Version): number {
  if (a.untimed && b.untimed) return 0;
  const [first, second] = a.accepted <= b.accepted ? [a, b] : [b, a];
  // A time that is still ahead when a later change is accepted was read from a clock that was wrong.
  if (first.time > acceptedAtOf(second) + maxAheadMs) return 0;
  if (a.source === b.source && a.claimed !== undefined && b.claimed !== undefined && a.claimed !== b.claimed) {
    return a.claimed - b.claimed;
  }
  return a.time - b.time || compareText(a.fine, b.fine);
}

/** Returns the time at which a change was accepted, in ms since the epoch. */
export function acceptedAtOf({ accepted, acceptedAt }: Pick<Version, "accepted" | "acceptedAt">): number {
  return acceptedAt ?? Math.floor(accepted / 1_000);
}

function compareText(a = "", b = ""): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
