import type { Clock, Random } from "../../bridge/ports/clock.ts";
import { sleepBy } from "../../platform/clock.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly call: () => void;
}

/** A clock that moves only when a test advances it. */
export class ManualClock implements Clock {
  /** Time that has passed since the beginning, in ms. Timers depend only on it, as those of a machine do. */
  #elapsed = 0;
  /** Difference between the time of day and the elapsed time, in ms. */
  #offset: number;
  #stamp = 0;
  #order = 0;
  readonly #timers = new Set<Timer>();

  constructor(now = Date.parse("2026-03-01T12:00:00Z")) {
    this.#offset = now;
  }

  now(): number {
    return this.#offset + this.#elapsed;
  }

  elapsed(): number {
    return this.#elapsed;
  }

  stamp(): number {
    this.#stamp = Math.max(this.#stamp + 1, this.now() * 1_000);
    return this.#stamp;
  }

  after(ms: number, call: () => void): () => void {
    const timer = { at: this.#elapsed + ms, order: this.#order++, call };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepBy((wait, call) => this.after(wait, call), ms, signal);
  }

  /** Advances the clock. Each timer fires at its own time, and the work it starts settles before the next one fires. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms;
    await settled();
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#timers.delete(next);
      this.#elapsed = Math.max(this.#elapsed, next.at);
      next.call();
      await settled();
    }
    this.#elapsed = Math.max(this.#elapsed, end);
  }

  /** Sets the time of day forward or back, as an administrator might. No timer fires. */
  set(now: number): void {
    this.#offset = now - this.#elapsed;
  }

  #next(until: number): Timer | undefined {
    return [...this.#timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at || a.order - b.order)[0];
  }
}

/** Runs the event loop until pending promises and the group commit have settled. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await new Promise(setImmediate);
}

/** Polls a condition that another thread or a socket makes true. The test's timeout ends the wait otherwise. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** Creates a repeatable random generator (mulberry32). */
export function seededRandom(seed = 1): Random {
  let state = seed >>> 0;
  let ids = 0;
  const fraction = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return { fraction, id: () => `seeded-${seed}-${ids++}` };
}
