/** Ways in which a target responds to a call. */
export const targetModes = [
  /** Applies the packet and acknowledges it. */
  "healthy",
  /** Answers 500 without an effect. */
  "failing",
  /** Answers 503 with a valid, extreme or missing `Retry-After`, without an effect. */
  "overloaded",
  /** Answers 429, which proves that there was no effect. */
  "throttling",
  /** Never answers. Half of the packets are applied. */
  "hanging",
  /** Applies the packet and resets the connection. */
  "losing-answers",
  /** Resets the connection without an effect. */
  "resetting",
  /** Answers with a permanent 4xx. */
  "refusing",
  /** Makes the connector's own code throw. Half of the packets are applied. */
  "throwing",
  /** Answers 401. */
  "unauthorized",
  /** Takes another mode for each call. */
  "flapping",
] as const;
export type TargetMode = (typeof targetModes)[number];
