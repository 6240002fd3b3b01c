import type { Engine } from "../engine.ts";
import type { Sheet } from "../mapping/compile-sheet.ts";
import { type Match, match } from "../mapping/match-targets.ts";
import { findRosters } from "../mapping/roster-file.ts";
import type { SourceEvent } from "../model/event.ts";
import type { JobRef } from "../model/job.ts";
import { type Version, versionOf } from "../model/packet.ts";
import type { Roster } from "../model/roster.ts";

/** An event with the targets that match it and the version its packets get. */
export interface Plan {
  readonly key: string;
  readonly event: SourceEvent;
  /** Matching targets. A target in which nothing changed gets no packet. */
  readonly matches: readonly Match[];
  /** Rosters that are in files. */
  readonly rosters: readonly Roster[];
  readonly version: Version;
  /** The event's time was too far in the future and was clamped. */
  readonly clamped: boolean;
  /** First acceptance. ms since the epoch */
  readonly acceptedMs: number;
  /** The job that creates the packets, if a job does. */
  readonly by?: JobRef;
}

/** An accepted event. */
export interface Accepted {
  readonly key: string;
  readonly event: SourceEvent;
  /** First acceptance. µs since the epoch */
  readonly accepted: number;
}

/** Options of `plan`. */
export interface PlanOptions {
  /** Rosters as an earlier plan found them. Looked up again if left out. */
  readonly rosters?: readonly Roster[];
  /** File versions to keep for those files the event still names. */
  readonly known?: readonly Roster[];
  /** Time at which targets must be in force: ms since the epoch, the event's acceptance if left out. */
  readonly at?: number;
  readonly by?: JobRef;
}

/** Matches an event against sheets, finds its rosters and fixes its version. */
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
