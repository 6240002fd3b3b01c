/**
 * Returns true if a stored time is still ahead.
 *
 * A time that lies further ahead than it can have been when it was stored was written while the machine's clock was
 * wrong. It counts as passed, so that it stops nothing.
 *
 * @param time ms since the epoch; `undefined` counts as passed
 * @param maxMs maximum time by which it was ahead when it was stored
 */
export function isAhead(time: number | undefined, now: number, maxMs: number): boolean {
  return time !== undefined && time > now && time - now <= maxMs;
}

/** Maximum time by which clocks differ. What was recorded further in the future was recorded by a wrong clock. */
export const clockErrorMs = 300_000;

/** Returns true if a time in the past is at least `ms` ago. A time in the future was written by a wrong clock. */
export function isPast(time: number, now: number, ms: number): boolean {
  return now - time >= ms || time > now;
}
