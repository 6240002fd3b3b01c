import type { Times } from "../../bridge/model/timings.ts";

/** Longest delay of an event that could not be accepted or expanded, in ms. */
const longestIntakeMs = 600_000;

/**
 * Returns the time within which all work is done after every fault has ended, in ms. It follows from the settings: whatever
 * waits is tried again after at most one longest delay of each kind, one after the other.
 */
export function restBoundMs(times: Times): number {
  const lostMessageMs = times.visibilityMs + times.leaseMs + times.putBackMs;
  const retriesMs = times.backoffMs.reduce((sum, ms) => sum + ms, 0) + times.retryAfterMaxMs;
  return longestIntakeMs + lostMessageMs + times.probeMs + times.redriveMaxMs + retriesMs;
}
