import type { Clock } from "../../bridge/ports/clock.ts";
import { maxMessages } from "../../bridge/ports/queue.ts";

interface Entry {
  readonly seq: number;
  receives: number;
  /** Time until which the message is in flight or delayed, by `Clock.elapsed`. */
  visibleAt: number;
}

interface Lane {
  readonly name: string;
  /** Messages in order. Those in flight are among the first, because a lane delivers none while one is in flight. */
  readonly entries: Entry[];
}

/** Returns the entries of a lane that may be in flight, at most those of one call. */
function front(lane: Lane): readonly Entry[] {
  return lane.entries.slice(0, maxMessages);
}

/**
 * Decides in memory which message of one queue is delivered next, by the rules of SQS FIFO.
 *
 * A lane is in `#ready` while all of its messages are visible. A lane with a message in flight or delayed is in `#busy`
 * until the last such message is removed or visible again. The cost of taking messages therefore does not depend on the
 * number of waiting lanes.
 */
export class FifoOrder {
  readonly #clock: Clock;
  readonly #lanes = new Map<string, Lane>();
  readonly #laneOf = new Map<number, Lane>();
  /** Lanes that can deliver, in the order in which they became ready. */
  readonly #ready = new Set<Lane>();
  /** Lanes that can deliver again. They come before the ready lanes if the queue keeps the order of its messages. */
  readonly #returned: Set<Lane>;
  /** Lanes that cannot deliver now, with the time at which they can again, by `Clock.elapsed`. */
  readonly #busy = new Map<Lane, number>();
  readonly #waiters = new Set<() => void>();

  /** @param keepsOrder true to deliver a message that was delayed before newer messages of other lanes */
  constructor(clock: Clock, keepsOrder: boolean) {
    this.#clock = clock;
    this.#returned = keepsOrder ? new Set() : this.#ready;
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

  /** Returns true if a lane has messages, visible or not. */
  has(name: string): boolean {
    return this.#lanes.has(name);
  }

  /** Takes the next messages, which are then in flight: first all of one lane, then those of the next. */
  take(max: number, visibilityMs: number): { lane: string; seq: number; receives: number }[] {
    const now = this.#clock.elapsed();
    this.#release(now);
    const taken: { lane: string; seq: number; receives: number }[] = [];
    for (const lane of this.#deliverable()) {
      if (taken.length >= max) break;
      for (const entry of lane.entries.slice(0, max - taken.length)) {
        entry.receives++;
        entry.visibleAt = now + visibilityMs;
        taken.push({ lane: lane.name, seq: entry.seq, receives: entry.receives });
      }
      this.#unready(lane);
      this.#busy.set(lane, now + visibilityMs);
    }
    if (this.#ready.size + this.#returned.size > 0) this.#wakeOne();
    return taken;
  }

  *#deliverable(): Generator<Lane> {
    yield* this.#returned;
    if (this.#returned !== this.#ready) yield* this.#ready;
  }

  #unready(lane: Lane): void {
    this.#ready.delete(lane);
    this.#returned.delete(lane);
  }

  /** Returns true if a message is in flight under exactly this receipt. */
  holds(seq: number, receives: number): boolean {
    const entry = this.#entry(seq);
    return entry !== undefined && entry.receives === receives && entry.visibleAt > this.#clock.elapsed();
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
      this.#unready(lane);
      this.#busy.delete(lane);
    } else this.#settle(lane);
  }

  delay(seq: number, ms: number): void {
    const lane = this.#laneOf.get(seq);
    const entry = this.#entry(seq);
    if (!lane || !entry) return;
    entry.visibleAt = ms > 0 ? this.#clock.elapsed() + ms : 0;
    this.#settle(lane);
  }

  /** Returns the sequence number of the newest message, or 0 if the queue is empty. */
  newest(): number {
    let newest = 0;
    for (const seq of this.#laneOf.keys()) newest = Math.max(newest, seq);
    return newest;
  }

  /** Returns the oldest messages of all lanes that are not in flight, up to the sequence number `upTo`. */
  oldest(limit: number, upTo: number): { lane: string; seq: number }[] {
    const found: { lane: string; seq: number }[] = [];
    for (const [seq, lane] of this.#laneOf) {
      if (found.length >= limit) break;
      if (seq > upTo) continue;
      const entry = this.#entry(seq);
      if (entry && entry.visibleAt <= this.#clock.elapsed()) found.push({ lane: lane.name, seq });
    }
    return found;
  }

  depth(): { waiting: number; inFlight: number } {
    const now = this.#clock.elapsed();
    let inFlight = 0;
    for (const lane of this.#busy.keys()) {
      for (const { visibleAt } of front(lane)) if (visibleAt > now) inFlight++;
    }
    return { waiting: this.#laneOf.size - inFlight, inFlight };
  }

  /** Waits up to `ms` until a lane becomes ready. */
  change(ms: number, signal?: AbortSignal): Promise<void> {
    const now = this.#clock.elapsed();
    let wakeAt = now + ms;
    for (const at of this.#busy.values()) wakeAt = Math.min(wakeAt, at);
    return new Promise((resolve) => {
      const wake = () => {
        cancel();
        this.#waiters.delete(wake);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const cancel = this.#clock.after(Math.max(0, wakeAt - now), wake);
      this.#waiters.add(wake);
      signal?.addEventListener("abort", wake, { once: true });
    });
  }

  /** Ends every wait. */
  wake(): void {
    for (const waiter of this.#waiters) waiter();
  }

  /** Wakes the oldest waiter, which takes messages and wakes the next waiter if any remain. */
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
      this.#returned.add(lane);
    }
  }

  #settle(lane: Lane): void {
    const now = this.#clock.elapsed();
    let until = 0;
    for (const { visibleAt } of front(lane)) until = Math.max(until, visibleAt);
    if (until > now) {
      this.#unready(lane);
      this.#busy.set(lane, until);
      return;
    }
    this.#busy.delete(lane);
    this.#returned.add(lane);
    this.#wakeOne();
  }
}
