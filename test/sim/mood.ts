/** Ways in which a target treats a call. */
export const moods = [
  /** Takes it and says so. */
  "well",
  /** 500 before it has taken anything. */
  "failing",
  /** 503 with a `Retry-After` of any kind. */
  "overloaded",
  /** 429: certainly not taken. */
  "throttling",
  /** No answer; half the time it has taken it. */
  "hanging",
  /** Takes it, and the connection is reset. */
  "losing",
  /** The connection is reset before it has taken it. */
  "deaf",
  /** A permanent 4xx. */
  "refusing",
  /** The connector's own code throws; half the time the target has taken it. */
  "throwing",
  /** 401. */
  "locked",
  /** Another mood for each call. */
  "flapping",
] as const;
export type Mood = (typeof moods)[number];
