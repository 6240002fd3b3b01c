/** Health of a connector's target, shared by all processes. */
export interface Health {
  readonly status: "UP" | "DOWN";
  /** Time of the last status change, in ms since the epoch. */
  readonly since: number;
  /** Lanes of the consecutive retry outcomes since the last success. */
  readonly strikes: readonly string[];
  readonly paused: boolean;
  /** Actor, time (ms since the epoch) and reason of the pause. */
  readonly pause?: { readonly actor: string; readonly why: string; readonly at: number };
  /** Keyed hash of the address that the connector sent to first, or that an operator has confirmed since. */
  readonly address?: string;
  /**
   * Set while the connector's configuration has another address, whose keyed hash is `to`. Nothing is sent until an
   * operator decides. `at` is the time at which this was noticed, in ms since the epoch.
   */
  readonly moved?: { readonly to: string; readonly at: number };
  /** Number of times the target's whole shadow was forgotten. */
  readonly shadowEpoch?: number;
  /** Times of the last probe and poll, in ms since the epoch. */
  readonly probedAt?: number;
  readonly polledAt?: number;
  /** Time of the next redrive of the outbox (ms since the epoch), and the gap before it. */
  readonly redriveAt?: number;
  readonly redriveGapMs?: number;
  /** Time since which the connector is not installed although packets wait for it, in ms since the epoch. */
  readonly missingSince?: number;
  /** End of the last redrive that ran to its end, in ms since the epoch. */
  readonly redrivenAt?: number;
  /** Start of the current breach of the consistency window, in ms since the epoch. */
  readonly breachedSince?: number;
  /** Times at which a doubt about a source's order was last logged, in ms since the epoch. */
  readonly noticedAt?: { readonly "sequence-restarted"?: number; readonly "order-mixed"?: number };
  /** Current rate of the outbox's redrive, in packets per second. */
  readonly redrivePerSecond?: number;
}

/** Returns the reason why an operator has to decide before anything is sent, or `undefined` if nothing has to wait. */
export function stopReason({ paused, moved }: Pick<Health, "paused" | "moved">): string | undefined {
  if (paused) return "the connector is paused";
  return moved && `its address has changed; noticed at ${new Date(moved.at).toISOString()}`;
}
