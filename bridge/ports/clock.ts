/** Source of time, injected so that a test can control it. */
export interface Clock {
  /** Returns the time in ms since the epoch. */
  now(): number;
  /** Returns the time in µs since the epoch, strictly increasing in one process. */
  stamp(): number;
  /** Returns ms since an arbitrary moment. Setting the machine's clock does not change it. */
  elapsed(): number;
  /** Runs `call` once after `ms`. The returned function cancels it. */
  after(ms: number, call: () => void): () => void;
  /** Resolves after `ms`, or at once when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Source of randomness, injected so that a run can be repeated. */
export interface Random {
  /** Returns a number from 0, inclusive, to 1, exclusive. */
  fraction(): number;
  /** Returns a unique id. */
  id(): string;
}
