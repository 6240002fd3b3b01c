import type { Engine } from "../../../bridge/engine.ts";
import type { Packet } from "../../../bridge/model/packet.ts";
import type { Message } from "../../../bridge/ports/queue.ts";
import type { JsonObject } from "../../../bridge/values/json.ts";
import type { Core, FakeOptions } from "../../support/core.ts";

/**
 * One piece of a worker's work: map one event, deliver the lane, deliver messages that the other worker also has, run
 * maintenance, run a page of a job, or an operation.
 */
export type Work = "map" | "lane" | "redelivered" | "maintain" | "jobs" | ((engine: Engine) => Promise<void>);

export interface Preparation {
  readonly core: Core;
  readonly engine: Engine;
  /** Id of the connector. */
  readonly connector: string;
}

/** Events of one record and two workers, of which every interleaving is explored. */
export interface Kind {
  readonly name: string;
  readonly target: FakeOptions;
  readonly sheets: Readonly<Record<string, string>>;
  readonly workers: readonly [readonly Work[], readonly Work[]];
  /** Brings the bridge to the state in which the workers begin. Returns the messages that both have received, if any. */
  prepare(start: Preparation): Promise<readonly Message[]>;
  /** Number of events that `prepare` emits, without repeats. */
  readonly events: number;
  /** Number of further messages that repeat an event. Default: 0. */
  readonly repeats?: number;
  /** Response of the target to an attempt of a packet, counted from 1. Default: it applies the packet. */
  answers?(packet: Packet, attempt: number): "ok" | "fail" | "refuse";
  /** An operator's work after all faults, when the bridge is at rest, such as the discard of a held packet. */
  finally?(engine: Engine): Promise<void>;
  readonly expected: Expectation;
}

/**
 * Requirements at the end by the documented order alone, whatever the interleaving.
 *
 * In every kind, the value of a field is the rank of its change: a newer change has a higher value, by the order that
 * the producer documents.
 */
export interface Expectation {
  /** Fields that the target holds for the record, or `undefined` if the record must not exist. A field may be null. */
  readonly end: JsonObject | undefined;
  /** Values of `a` that a strict target received, in order. */
  readonly inOrder?: readonly number[];
  /** Number of packets that may be held at the end. Default: 0. */
  readonly held?: number;
}
