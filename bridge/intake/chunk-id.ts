import { rosterSize } from "../mapping/map-event.ts";
import { chunkSize, type Lines } from "../mapping/roster-file.ts";
import type { Plan } from "./plan.ts";

/** A part of a match that is expanded at one go: all of it, elements in the event, or lines of a file. */
export interface Part extends Partial<Lines> {
  readonly match: number;
}

/**
 * The chunks a large event is expanded in; none where it is small enough to be expanded at once.
 *
 * `2.500`: of the third match the elements from the 501st on. `2.500.8192-16384`: of its file the lines that stand in
 * these bytes, of which the first is the 501st. `2.500.8192-`: all lines from there on, not cut into chunks yet.
 */
export function chunksOf({ event, matches, rosters }: Plan): string[] {
  const sizes = matches.map((found) => (found.target.publish === undefined ? (rosterSize(event, found) ?? 1) : 0));
  const inFile = matches.map((_, match) => rosters.some((roster) => roster.match === match && !("fault" in roster)));
  if (!inFile.includes(true) && sizes.reduce((sum, size) => sum + size, 0) <= chunkSize) return [];
  return sizes.flatMap((size, match) =>
    inFile[match]
      ? [nameOf({ match, first: 0, from: 0 })]
      : Array.from({ length: Math.ceil(size / chunkSize) }, (_, i) => nameOf({ match, first: i * chunkSize })),
  );
}

export function nameOf({ match, first, from, to }: Part): string {
  return from === undefined ? `${match}.${first}` : `${match}.${first}.${from}-${to ?? ""}`;
}

/** The part a chunk's name stands for. */
export function partOf(chunk: string): Part & Pick<Lines, "first"> {
  const [match = 0, first = 0, from, to] = chunk.split(/[.-]/).flatMap((text) => (text === "" ? [] : [Number(text)]));
  return { match, first, ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
}

/** A part of a file that must be cut into chunks before it can be expanded. */
export function isUncut(chunk: string): boolean {
  return chunk.endsWith("-");
}
