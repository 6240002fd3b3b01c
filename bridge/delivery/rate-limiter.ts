import type { Clock } from "../ports/clock.ts";

/**
 * Keeps a connector's rate in one process: so many sends at once, so many a second.
 *
 * @returns a function that waits for a place, and resolves to the one that gives it back
 */
export function createRateLimiter(
  clock: Clock,
  { concurrency, perSecond }: { concurrency: number; perSecond?: number },
) {
  let inside = 0;
  let nextAt = 0;
  const queue: (() => void)[] = [];

  const leave = () => {
    const next = queue.shift();
    if (next) next();
    else inside--;
  };

  return async (): Promise<() => void> => {
    if (inside < concurrency) inside++;
    else await new Promise<void>((resolve) => queue.push(resolve));
    if (perSecond !== undefined) {
      const now = clock.now();
      const at = Math.max(now, nextAt);
      nextAt = at + 1_000 / perSecond;
      if (at > now) await clock.sleep(at - now);
    }
    return leave;
  };
}
