import type { Engine } from "../engine.ts";
import type { Sheet } from "../mapping/compile-sheet.ts";
import { type Match, match } from "../mapping/match-targets.ts";
import { findRosters } from "../mapping/roster-file.ts";
import type { Acceptance } from "../model/acceptance.ts";
import type { SourceEvent } from "../model/event.ts";
import type { JobRef } from "../model/job.ts";
import type { Roster } from "../model/roster.ts";
import { type Version, versionOf } from "../model/version.ts";
import { epochOf } from "./sequence-epoch.ts";

/** An event, the targets that match it and the version of its packets. */
export interface Plan {
  readonly key: string;
  readonly event: SourceEvent;
  /** Matching targets. No packet is created for a target whose mapped fields are unchanged. */
  readonly matches: readonly Match[];
  /** Roster files of the matches: the version to read, or the reason it cannot be read. */
  readonly rosters: readonly Roster[];
  readonly version: Version;
  /** True if the event's time was too far in the future and was clamped. */
  readonly clamped: boolean;
  /** Time the event was first accepted, in ms since the epoch. */
  readonly acceptedMs: number;
  /** Job that creates the packets. Absent if no job does. */
  readonly by?: JobRef;
}

/** An event that has been accepted. */
export interface AcceptedEvent {
  readonly key: string;
  readonly event: SourceEvent;
  /** First acceptance of the event. */
  readonly acceptance: Acceptance;
}

/** Options for `plan`. */
export interface PlanOptions {
  /** Roster files found by an earlier plan. If omitted, they are looked up. */
  readonly rosters?: readonly Roster[];
  /** Roster files to reuse, matched by address, instead of looking up their current versions. */
  readonly known?: readonly Roster[];
  /** Time at which targets must be in force, in ms since the epoch. Default: the time the event was first accepted. */
  readonly at?: number;
  /** Job that creates the packets. */
  readonly by?: JobRef;
}

/** Matches an event against sheets, looks up its roster files and determines the version of its packets. */
export async function plan(
  engine: Engine,
  { key, event, acceptance }: AcceptedEvent,
  sheets: readonly Sheet[],
  { rosters, known, at, by }: PlanOptions = {},
): Promise<Plan> {
  const { acceptedAt: acceptedMs } = acceptance;
  const [matches, epoch] = await Promise.all([
    match(event, sheets, acceptedMs, at),
    epochOf(engine, event, acceptance),
  ]);
  const found = rosters ?? (await findRosters(engine.files, event, matches, known));
  return { key, event, matches, rosters: found, ...versionOf(event, acceptance, epoch), acceptedMs, ...(by && { by }) };
}
