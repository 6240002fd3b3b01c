import type { Status, Tail } from "./ledger-entry.ts";
import type { Packet } from "./packet.ts";

/** Location of an open packet: on its lane queue, in the outbox, or waiting `behind` the head of its strict lane. */
export type MessageLocation = "lane" | "outbox" | "behind";

/** The part of a packet's record that changes during delivery. */
export interface Progress {
  readonly status: Status;
  readonly tail: Tail;
  readonly place: MessageLocation;
  readonly tries: number;
  /** Number of attempts since it last left the outbox; determines the backoff delay. */
  readonly round: number;
  /**
   * Number of times it was requeued or moved to the outbox. Part of the deduplication id, because SQS drops a message
   * whose id repeats within 5 min.
   */
  readonly puts: number;
  /** Time at which it was last put on its lane queue or in the outbox, in ms since the epoch. */
  readonly putAt?: number;
  /** True if it is recorded but not yet known to be on its queue. */
  readonly unsent?: boolean;
  /**
   * Lease of the current attempt. If it has expired but was not released, a send may have begun.
   *
   * `shadow`: etag of the packet's shadow when the lease was taken. If the etag has changed since, another packet was
   * sent to the same record meanwhile. `place`: the place that a packet of a strict lane takes.
   */
  readonly lease?: {
    readonly owner: string;
    readonly until: number;
    readonly shadow?: number;
    readonly place?: number;
  };
  /** Start of the consistency window, in ms since the epoch: when the packet was recorded or last released. */
  readonly queuedAt: number;
  readonly nextTryAt?: number;
  /** Time of the first failure while its target was up, in ms since the epoch. */
  readonly failingSince?: number;
  /** Reason for the current status. */
  readonly reason?: string;
  /** Id of the lane head, or key of the event that is not expanded yet, for which it waits. Only in a strict lane. */
  readonly behind?: string;
  /** True if it is held because something newer of its strict lane was sent before. It has no place in the lane then. */
  readonly late?: true;
  readonly closedAt?: number;
  /** Time its values were erased after the retention period, in ms since the epoch. Its fields are then empty. */
  readonly erasedAt?: number;
  readonly delivery?: {
    readonly at?: string;
    readonly status?: number;
    readonly remoteId?: string;
    /** Round-trip time of the successful attempt. */
    readonly ms: number;
  };
  /** The target's answer to a refused packet. */
  readonly answer?: string;
  /** Id of the packet that replaced it, on behalf of an operator or after an interrupted attempt. */
  readonly replacedBy?: string;
  /** Id of the job that last released it. */
  readonly releasedBy?: string;
}

export interface PacketRecord {
  readonly packet: Packet;
  /** Time of recording, in ms since the epoch. */
  readonly recordedAt: number;
  readonly progress: Progress;
}
