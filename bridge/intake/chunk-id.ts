// Ids of the chunks in which a large event is expanded.
import { rosterSize } from "../mapping/map-event.ts";
import { chunkSize, type Lines } from "../mapping/roster-file.ts";
import type { Plan } from "./plan.ts";

/** Part of a match to expand in one run: all of it, a range of the event's elements, or a range of a file's lines. */
export interface Part extends Partial<Lines> {
  /** Index of the match in its plan. */
  readonly match: number;
}

/**
 * Returns the ids of the chunks in which a large event is expanded, or none if the event is small enough for one run.
 *
 * `2.500`: elements of the third match, starting at the 501st. `2.500.8192-16384`: the lines in this byte range of its
 * file, starting at the 501st line. `2.500.8192-`: all lines from that byte on, not yet split into chunks.
 */
export function chunksOf({ event, matches, rosters }: Plan): string[] {
  const sizes = matches.map((match) => (match.target.publish === undefined ? (rosterSize(event, match) ?? 1) : 0));
  const inFile = matches.map((_, match) => rosters.some((roster) => roster.match === match && !("fault" in roster)));
  if (!inFile.includes(true) && sizes.reduce((sum, size) => sum + size, 0) <= chunkSize) return [];
  return sizes.flatMap((size, match) =>
    inFile[match]
      ? [chunkIdOf({ match, first: 0, from: 0 })]
      : Array.from({ length: Math.ceil(size / chunkSize) }, (_, i) => chunkIdOf({ match, first: i * chunkSize })),
  );
}

/** Returns the chunk id of a part. */
export function chunkIdOf({ match, first, from, to }: Part): string {
  return from === undefined ? `${match}.${first}` : `${match}.${first}.${from}-${to ?? ""}`;
}

/** Parses a chunk id. */
export function parseChunkId(chunk: string): Part & Pick<Lines, "first"> {
  const [match = 0, first = 0, from, to] = chunk.split(/[.-]/).flatMap((text) => (text === "" ? [] : [Number(text)]));
  return { match, first, ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
}

/** Returns true if the chunk is the rest of a file, which must be split before it can be expanded. */
export function isUnsplit(chunk: string): boolean {
  return chunk.endsWith("-");
}
