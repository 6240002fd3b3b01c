import { randomUUID } from "node:crypto";
import type { Clock, Random } from "../bridge/ports/clock.ts";

/** Longest delay of a Node.js timer: 2^31 - 1 ms. */
const longestTimerMs = 2_147_483_647;

/**
 * The machine's clock.
 *
 * @param lastStamp µs; later stamps are greater than this, even if the machine's clock was set back
 */
export function systemClock(lastStamp = 0): Clock {
  let last = lastStamp;
  // A random offset for each process keeps two processes that stamp in the same millisecond from a tie.
  const processOffset = Math.floor(Math.random() * 1_000);
  return {
    now: () => Date.now(),
    stamp() {
      last = Math.max(last + 1, Date.now() * 1_000 + processOffset);
      return last;
    },
    elapsed: () => performance.now(),
    after,
    sleep: (ms, signal) => sleepBy(after, ms, signal),
  };
}

function after(ms: number, call: () => void): () => void {
  const timer = setTimeout(call, Math.min(ms, longestTimerMs));
  return () => clearTimeout(timer);
}

/** Sleeps by the given timer. Resolves early if `signal` is aborted. */
export function sleepBy(after: Clock["after"], ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = () => {
      cancel();
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const cancel = after(ms, end);
    signal?.addEventListener("abort", end, { once: true });
  });
}

export const systemRandom: Random = {
  fraction: Math.random,
  id: randomUUID,
};
