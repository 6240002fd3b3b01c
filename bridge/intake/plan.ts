import type { Engine } from "../engine.ts";
import type { Sheet } from "../mapping/compile-sheet.ts";
import { type Match, match } from "../mapping/match-targets.ts";
import { findRosters } from "../mapping/roster-file.ts";
import type { SourceEvent } from "../model/event.ts";
import type { JobRef } from "../model/job.ts";
import { type Version, versionOf } from "../model/packet.ts";
import type { Roster } from "../model/roster.ts";

/** What an event is to become: the targets that want it, and its place in time. */
export interface Plan {
  readonly key: string;
  readonly event: SourceEvent;
  /** The targets that want it; one in which nothing changed gets no packet. */
  readonly matches: readonly Match[];
  /** Its rosters that stand in files. */
  readonly rosters: readonly Roster[];
  readonly version: Version;
  /** Its time lay too far ahead, and was set back. */
  readonly clamped: boolean;
  /** Fixed at the first acceptance. ms */
  readonly acceptedMs: number;
  /** Who has its packets made, where it is not the event itself. */
  readonly by?: JobRef;
}

/** An event on its way through the mapper. */
export interface Accepted {
  readonly key: string;
  readonly event: SourceEvent;
  /** µs since the epoch, fixed at its first acceptance. */
  readonly accepted: number;
}

export interface PlanOptions {
  /** Its rosters as an earlier plan found them; if not said, they are looked up now. */
  readonly rosters?: readonly Roster[];
  /** Versions of files it is to keep to, where it still names them. */
  readonly known?: readonly Roster[];
  /** When it is judged which targets are in force: ms since the epoch, its acceptance if not said. */
  readonly at?: number;
  readonly by?: JobRef;
}

export async function plan(
  engine: Engine,
  { key, event, accepted }: Accepted,
  sheets: readonly Sheet[],
  { rosters, known, at, by }: PlanOptions = {},
): Promise<Plan> {
  const acceptedMs = Math.floor(accepted / 1_000);
  const matches = await match(event, sheets, acceptedMs, at);
  const found = rosters ?? (await findRosters(engine.files, event, matches, known));
  return { key, event, matches, rosters: found, ...versionOf(event, accepted), acceptedMs, ...(by && { by }) };
}
