import type { Packet } from "./packet.ts";
import type { Version } from "./version.ts";

/** Place of an open packet in its strict lane. */
export interface LanePlace {
  /** The packet's id. */
  readonly id: string;
  /** Position in the order of acceptance. */
  readonly accepted: number;
  readonly source: string;
  readonly sequence?: number;
  readonly epoch?: number;
}

/** Last packet that was sent in a strict lane. */
export interface LaneProgress {
  /** Highest place, in the order of acceptance, of a packet that was sent. */
  readonly accepted: number;
  /** Last sequence that was sent, by source. */
  readonly sequences: Readonly<Record<string, Pick<LanePlace, "sequence" | "epoch">>>;
}

/** Head of a strict lane. */
export interface LaneHead {
  /** Id of the packet that is sent next. */
  readonly id: string;
  /** Place that it takes, in the order of acceptance: its own, or that of a packet of its source with a higher sequence. */
  readonly accepted: number;
}

/**
 * Places of a lane that are read to find its head. A packet whose sequence belongs before them, but which was accepted
 * after them, is late.
 */
export const placesRead = 50;

export function placeOf({ id, version }: Packet): LanePlace {
  const { accepted, source, sequence, epoch } = version;
  return { id, accepted, source, ...(sequence !== undefined && { sequence }), ...(epoch !== undefined && { epoch }) };
}

/**
 * Returns the packet that a strict lane sends next.
 *
 * Packets are sent in the order of acceptance. The packets of one source that have a sequence take the places of that
 * source in the order of their sequences. Sequences of different sources are not compared.
 *
 * @param places the lane's first places in the order of acceptance
 */
export function headOf(places: readonly LanePlace[]): LaneHead | undefined {
  const [first] = places;
  if (first?.sequence === undefined) return first;
  const lowest = places
    .filter(({ source, sequence }) => source === first.source && sequence !== undefined)
    .reduce((low, place) => (compareSequences(place, low) < 0 ? place : low), first);
  return { id: lowest.id, accepted: first.accepted };
}

/**
 * Returns true if a newer packet of the same lane was sent before: of the same source by sequence, otherwise by the order
 * of acceptance.
 */
export function isLate(version: Version, { accepted, sequences }: LaneProgress): boolean {
  const last = Object.hasOwn(sequences, version.source) ? sequences[version.source] : undefined;
  if (version.sequence !== undefined && last !== undefined) return compareSequences(version, last) < 0;
  return version.accepted < accepted;
}

/** Returns the progress of a lane after a packet was sent at a place. */
export function afterSending(
  { source, sequence, epoch }: Version,
  place: number,
  before: LaneProgress = { accepted: 0, sequences: {} },
): LaneProgress {
  const accepted = Math.max(before.accepted, place);
  if (sequence === undefined) return { ...before, accepted };
  const own = { sequence, ...(epoch !== undefined && { epoch }) };
  const last = Object.hasOwn(before.sequences, source) ? before.sequences[source] : undefined;
  if (last && compareSequences(last, own) > 0) return { ...before, accepted };
  return { accepted, sequences: { ...before.sequences, [source]: own } };
}

type Sequence = Pick<LanePlace, "sequence" | "epoch">;

function compareSequences(a: Sequence, b: Sequence): number {
  return (a.epoch ?? 0) - (b.epoch ?? 0) || (a.sequence ?? 0) - (b.sequence ?? 0);
}
