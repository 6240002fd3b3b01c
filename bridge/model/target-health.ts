/** How a connector's target is, shared by all processes. */
export interface Health {
  readonly status: "UP" | "DOWN";
  /** ms since the epoch */
  readonly since: number;
  /** The lanes of the last retry outcomes in a row. */
  readonly strikes: readonly string[];
  readonly paused: boolean;
  /** Who paused it, when (ms) and why. */
  readonly pause?: { readonly actor: string; readonly why: string; readonly at: number };
  /** How often all that was believed of its target was forgotten. */
  readonly shadowEpoch?: number;
  readonly probedAt?: number;
  readonly polledAt?: number;
  /** When the outbox is next sent back, and the gap that led there. */
  readonly redriveAt?: number;
  readonly redriveGapMs?: number;
  /** Since when some of its packets are later than their consistency window. ms */
  readonly breachedSince?: number;
  /** The rate its outbox is sent back at just now. */
  readonly redrivePerSecond?: number;
}
