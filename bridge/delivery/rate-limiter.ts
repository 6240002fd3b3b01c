import type { Clock } from "../ports/clock.ts";

/** A connector's limits in one process. */
export interface RateLimits {
  /** Maximum number of concurrent sends. */
  readonly concurrency: number;
  /** Maximum number of sends per second. If omitted, the rate is not limited. */
  readonly perSecond?: number;
}

/**
 * Creates a connector's rate limiter for one process.
 *
 * @returns a function that waits for a permit and resolves to the function that releases it
 */
export function createRateLimiter(clock: Clock, { concurrency, perSecond }: RateLimits) {
  let active = 0;
  let nextAt = 0;
  const waiting: (() => void)[] = [];

  const release = () => {
    const next = waiting.shift();
    if (next) next();
    else active--;
  };

  return async (): Promise<() => void> => {
    if (active < concurrency) active++;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    if (perSecond !== undefined) {
      const now = clock.now();
      const at = Math.max(now, nextAt);
      nextAt = at + 1_000 / perSecond;
      if (at > now) await clock.sleep(at - now);
    }
    return release;
  };
}
