import type { Clock } from "../../bridge/ports/clock.ts";
import { maxMessages } from "../../bridge/ports/queue.ts";

interface Entry {
  readonly seq: number;
  receives: number;
  /** ms: in flight, or put off, until then */
  visibleAt: number;
}

interface Lane {
  readonly name: string;
  /** In order; those in flight are always among the first, because a lane gives none while one is out. */
  readonly entries: Entry[];
}

/** Where a lane's messages in flight are: one call gives no more. */
function front(lane: Lane): readonly Entry[] {
  return lane.entries.slice(0, maxMessages);
}

/**
 * Which message of one queue may be given next: the rules of SQS FIFO, in memory.
 *
 * A lane whose messages are all visible stands in `ready`; one with a message in flight or put off does not, until the
 * last of these is removed or visible again. So giving is a step, however many lanes wait.
 */
export class FifoOrder {
  readonly #clock: Clock;
  readonly #lanes = new Map<string, Lane>();
  readonly #laneOf = new Map<number, Lane>();
  /** In the order they became ready. */
  readonly #ready = new Set<Lane>();
  /** Lanes that give nothing now, and when they may again. */
  readonly #busy = new Map<Lane, number>();
  readonly #waiters = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(name: string, { seq, receives }: { seq: number; receives: number }): void {
    if (this.#laneOf.has(seq)) return;
    let lane = this.#lanes.get(name);
    if (!lane) {
      lane = { name, entries: [] };
      this.#lanes.set(name, lane);
    }
    lane.entries.push({ seq, receives, visibleAt: 0 });
    this.#laneOf.set(seq, lane);
    if (!this.#busy.has(lane)) this.#ready.add(lane);
    this.#wakeOne();
  }

  /** The next messages, now in flight: as many of one lane as there are, then of the next. */
  take(max: number, visibilityMs: number): { lane: string; seq: number; receives: number }[] {
    const now = this.#clock.now();
    this.#release(now);
    const taken: { lane: string; seq: number; receives: number }[] = [];
    for (const lane of this.#ready) {
      if (taken.length >= max) break;
      for (const entry of lane.entries.slice(0, max - taken.length)) {
        entry.receives++;
        entry.visibleAt = now + visibilityMs;
        taken.push({ lane: lane.name, seq: entry.seq, receives: entry.receives });
      }
      this.#ready.delete(lane);
      this.#busy.set(lane, now + visibilityMs);
    }
    if (this.#ready.size > 0) this.#wakeOne();
    return taken;
  }

  /** Whether a message is in flight under this very receipt. */
  holds(seq: number, receives: number): boolean {
    const entry = this.#entry(seq);
    return entry !== undefined && entry.receives === receives && entry.visibleAt > this.#clock.now();
  }

  remove(seq: number): void {
    const lane = this.#laneOf.get(seq);
    if (!lane) return;
    this.#laneOf.delete(seq);
    lane.entries.splice(
      lane.entries.findIndex((entry) => entry.seq === seq),
      1,
    );
    if (lane.entries.length === 0) {
      this.#lanes.delete(lane.name);
      this.#ready.delete(lane);
      this.#busy.delete(lane);
    } else this.#settle(lane);
  }

  delay(seq: number, ms: number): void {
    const lane = this.#laneOf.get(seq);
    const entry = this.#entry(seq);
    if (!lane || !entry) return;
    entry.visibleAt = ms > 0 ? this.#clock.now() + ms : 0;
    this.#settle(lane);
  }

  /** The last message that came, 0 where there is none. */
  newest(): number {
    let newest = 0;
    for (const seq of this.#laneOf.keys()) newest = Math.max(newest, seq);
    return newest;
  }

  /** The oldest messages up to one that are not in flight, whatever their lane. */
  oldest(limit: number, upTo: number): { lane: string; seq: number }[] {
    const found: { lane: string; seq: number }[] = [];
    for (const [seq, lane] of this.#laneOf) {
      if (found.length >= limit) break;
      if (seq > upTo) continue;
      const entry = this.#entry(seq);
      if (entry && entry.visibleAt <= this.#clock.now()) found.push({ lane: lane.name, seq });
    }
    return found;
  }

  depth(): { waiting: number; inFlight: number } {
    const now = this.#clock.now();
    let inFlight = 0;
    for (const lane of this.#busy.keys()) {
      for (const { visibleAt } of front(lane)) if (visibleAt > now) inFlight++;
    }
    return { waiting: this.#laneOf.size - inFlight, inFlight };
  }

  /** Waits for a lane to become ready, at most so long. */
  change(ms: number, signal?: AbortSignal): Promise<void> {
    const now = this.#clock.now();
    let next = now + ms;
    for (const at of this.#busy.values()) next = Math.min(next, at);
    return new Promise((resolve) => {
      const wake = () => {
        cancel();
        this.#waiters.delete(wake);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const cancel = this.#clock.after(Math.max(0, next - now), wake);
      this.#waiters.add(wake);
      signal?.addEventListener("abort", wake, { once: true });
    });
  }

  /** Ends every wait. */
  wake(): void {
    for (const waiter of this.#waiters) waiter();
  }

  /** Wakes the one that has waited longest: it takes what it can, and wakes the next where it leaves something. */
  #wakeOne(): void {
    const [first] = this.#waiters;
    first?.();
  }

  #entry(seq: number): Entry | undefined {
    return this.#laneOf.get(seq)?.entries.find((entry) => entry.seq === seq);
  }

  #release(now: number): void {
    for (const [lane, at] of this.#busy) {
      if (at > now) continue;
      this.#busy.delete(lane);
      this.#ready.add(lane);
    }
  }

  #settle(lane: Lane): void {
    const now = this.#clock.now();
    let until = 0;
    for (const { visibleAt } of front(lane)) until = Math.max(until, visibleAt);
    if (until > now) {
      this.#ready.delete(lane);
      this.#busy.set(lane, until);
      return;
    }
    this.#busy.delete(lane);
    this.#ready.add(lane);
    this.#wakeOne();
  }
}
