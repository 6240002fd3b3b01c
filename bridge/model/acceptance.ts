/** Acceptance of an event: the moment at which its message was stored in the inbox. */
export interface Acceptance {
  /**
   * Position in the order of acceptance. It looks like a time in µs since the epoch but must not be used as one: it keeps
   * increasing when the machine's clock is set back.
   */
  readonly accepted: number;
  /** Time of acceptance by the clock, in ms since the epoch. */
  readonly acceptedAt: number;
  /** Orders events with the same `accepted`. Absent if the queue gives every message its own position. */
  readonly tie?: string;
}

/** Facts about the moment at which a queue stored a message. */
export interface Arrival {
  /** Time by the clock, in ms since the epoch. On AWS: the message's `SentTimestamp`. */
  readonly sentAt: number;
  /** Position in the order in which messages were stored. Absent if the queue keeps no order, as on AWS. */
  readonly stamp?: number;
}

/** Characters of an event's key that order events whose messages were stored in the same millisecond. */
const tieLength = 6;

/** Returns the acceptance of an event. Depends only on the event and its message, not on the process that maps it. */
export function acceptanceAt({ sentAt, stamp }: Arrival, eventKey: string): Acceptance {
  return stamp === undefined
    ? { accepted: sentAt * 1_000, acceptedAt: sentAt, tie: eventKey.slice(-tieLength) }
    : { accepted: stamp, acceptedAt: sentAt };
}

/** Returns a recorded event's acceptance. Records of earlier releases do not have the time. */
export function acceptanceOf({
  accepted,
  acceptedAt,
  tie,
}: Pick<Acceptance, "accepted"> & Partial<Acceptance>): Acceptance {
  return {
    accepted,
    acceptedAt: acceptedAt ?? Math.floor(accepted / 1_000),
    ...(tie !== undefined && { tie }),
  };
}
