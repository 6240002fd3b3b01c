import type { Status, Tail } from "./ledger-entry.ts";
import type { Packet } from "./packet.ts";

/** Location of an open packet's message. */
export type MessageLocation = "lane" | "outbox" | "behind";

/** The part of a packet's record that changes during delivery. */
export interface Progress {
  readonly status: Status;
  readonly tail: Tail;
  readonly place: MessageLocation;
  readonly tries: number;
  /** Attempts since it last left the outbox: the back-off step. */
  readonly round: number;
  /**
   * Number of times it was put on a queue. Part of the deduplication id, because SQS drops a repeated one for 5 min.
   */
  readonly puts: number;
  /** Time of the last requeue to its lane. ms since the epoch */
  readonly putAt?: number;
  /** True if it is recorded but not yet known to be on its queue. */
  readonly unsent?: boolean;
  /**
   * Owner of the current send. A lease that another worker finds expired means that a send may have begun.
   *
   * `shadow`: etag of the packet's shadow when the lease was taken. If the etag has changed since, another packet was
   * sent to the same record meanwhile.
   */
  readonly lease?: { readonly owner: string; readonly until: number; readonly shadow?: number };
  /** Start of the consistency window: recording, or the last requeue by a replay. ms since the epoch */
  readonly queuedAt: number;
  readonly nextTryAt?: number;
  /** First failure while its target was up. ms */
  readonly failingSince?: number;
  /** Reason for the current status. */
  readonly reason?: string;
  /** In a strict lane, id of the head that it waits for. */
  readonly behind?: string;
  readonly closedAt?: number;
  /** Time at which its values were erased after the retention period. Its fields are empty since then. ms */
  readonly erasedAt?: number;
  readonly delivery?: {
    readonly at?: string;
    readonly status?: number;
    readonly remoteId?: string;
    /** Round trip of the last attempt. */
    readonly ms: number;
  };
  /** The target's answer to a refused packet. */
  readonly answer?: string;
  /** The packet with which an operator replaced it. */
  readonly replacedBy?: string;
  /** The job that last released it. */
  readonly releasedBy?: string;
}

export interface PacketRecord {
  readonly packet: Packet;
  /** ms since the epoch */
  readonly recordedAt: number;
  readonly progress: Progress;
}
