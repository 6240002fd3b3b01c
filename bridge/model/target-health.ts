/** Health of a connector's target, shared by all processes. */
export interface Health {
  readonly status: "UP" | "DOWN";
  /** ms since the epoch */
  readonly since: number;
  /** The lanes of the last retry outcomes in a row. */
  readonly strikes: readonly string[];
  readonly paused: boolean;
  /** Actor, time (ms since the epoch) and reason of the pause. */
  readonly pause?: { readonly actor: string; readonly why: string; readonly at: number };
  /** Number of times the whole shadow of the target was forgotten. */
  readonly shadowEpoch?: number;
  readonly probedAt?: number;
  readonly polledAt?: number;
  /** Time of the next redrive of the outbox, and the gap before it. */
  readonly redriveAt?: number;
  readonly redriveGapMs?: number;
  /** Start of the present breach of the consistency window. ms since the epoch */
  readonly breachedSince?: number;
  /** The rate its outbox is sent back at just now. */
  readonly redrivePerSecond?: number;
}
