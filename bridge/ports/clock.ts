/** Time, injected so that a test can turn it. */
export interface Clock {
  /** ms since the epoch */
  now(): number;
  /** µs since the epoch, strictly increasing in one process. */
  stamp(): number;
  /** Calls once after `ms`; the answer cancels it. */
  after(ms: number, call: () => void): () => void;
  /** Resolves after `ms`, or at once when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Chance, injected so that a run can be repeated. */
export interface Random {
  /** At least 0, below 1. */
  fraction(): number;
  /** A name nobody else has. */
  id(): string;
}
