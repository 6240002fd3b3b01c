import type { KeyObject } from "node:crypto";
import type { Engine } from "./engine.ts";
import { blockedReason, govern } from "./governance/govern.ts";
import type { Sheet } from "./mapping/compile-sheet.ts";
import { type Element, faulty, mapEvent, type Parcel, placeOf, rosterOf, rosterSize } from "./mapping/map-event.ts";
import { type Match, match } from "./mapping/match-targets.ts";
import { chunkSize, elementAt, elementsIn, findRosters, type Lines, withRemedy } from "./mapping/roster-file.ts";
import { type Connector, connectorId } from "./model/connector.ts";
import type { SourceEvent } from "./model/event.ts";
import type { Maker } from "./model/job.ts";
import type { Facts } from "./model/ledger-entry.ts";
import {
  type Origin,
  type Packet,
  pack,
  plainFacts,
  readdress,
  sizeFault,
  type Version,
  versionOf,
} from "./model/packet.ts";
import type { Progress } from "./model/packet-record.ts";
import type { Roster } from "./model/roster.ts";
import { toldName } from "./pii/redact.ts";
import { FileFault } from "./ports/files.ts";
import { begin, type Stepped } from "./recording/transitions.ts";
import type { Json } from "./values/json.ts";

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
  readonly by?: Maker;
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
  readonly by?: Maker;
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

export interface ExpandOptions {
  /** Only these packets. */
  readonly part?: Part;
  /** Of a roster only this element; of a file, the line that begins at this byte. */
  readonly element?: { readonly number: number; readonly at?: number };
  /** What is special about these packets' way from the beginning. */
  readonly change?: Partial<Progress>;
}

/**
 * A plan in, packets out: map, vet, pack. Nothing is written, so it can be run again with the same result.
 *
 * @returns the packets, each with the first step of its story
 */
export async function expand(engine: Engine, planned: Plan, options: ExpandOptions = {}): Promise<Stepped[]> {
  const { event, acceptedMs, matches } = planned;
  const { part, element } = options;
  const steps: Stepped[] = [];
  const seen = new Set<string>();
  for (const [i, found] of matches.entries()) {
    if ((part && part.match !== i) || found.target.publish !== undefined) continue;
    const elements = await elementsOf(engine, planned, part ?? { match: i }, element);
    const parcels = isParcel(elements) ? [elements] : await mapEvent(event, found, acceptedMs, elements);
    const firsts = await Promise.all(parcels.map((parcel) => firstStep(engine, parcel, planned, options.change)));
    for (const step of firsts) {
      steps.push(seen.has(step.record.packet.id) ? repeated(engine, step.record.packet) : step);
      seen.add(step.record.packet.id);
    }
  }
  return steps;
}

/** The elements of a part, or the one that is asked for; or what is to be held in their stead, because their file cannot be read. */
async function elementsOf(
  { files }: Engine,
  { event, matches, rosters }: Plan,
  { match, first, from, to }: Part,
  only: ExpandOptions["element"],
): Promise<readonly Element[] | Parcel | undefined> {
  const found = matches[match] as Match;
  const roster = rosters.find((one) => one.match === match);
  if (!roster) {
    if (only) return rosterOf(event, found, only.number, only.number + 1);
    return first === undefined ? rosterOf(event, found) : rosterOf(event, found, first, first + chunkSize);
  }
  if ("fault" in roster) return faulty(found, `event ${event.id}`, roster.fault);
  const lines = { first: only?.number ?? first ?? 0, from: only?.at ?? from ?? 0, to: to ?? roster.bytes };
  try {
    return only ? await elementAt(files, roster, lines) : await elementsIn(files, roster, lines);
  } catch (error) {
    if (!(error instanceof FileFault)) throw error;
    const where = `${placeOf(found, lines.first)} and on`;
    return { ...faulty(found, where, `${where}: ${withRemedy(error)}`), element: lines.first };
  }
}

function isParcel(given: readonly Element[] | Parcel | undefined): given is Parcel {
  return given !== undefined && !Array.isArray(given);
}

/** Vets and packs a parcel. One that cannot go as it is waits for a person from the beginning. */
async function firstStep(
  engine: Engine,
  parcel: Parcel,
  planned: Plan,
  change: Partial<Progress> = {},
): Promise<Stepped> {
  const found = engine.catalog.find(parcel.target.connector);
  if ("fault" in found) throw new Error(found.fault);
  const target = { ...parcel.target, connector: connectorId(found.connector) };
  const judged = await govern(engine, { ...parcel, target });
  const { key, event, version, by } = planned;
  const origin: Origin = { key, type: event.type, version, ...(by && { job: by.job }) };
  const packet = pack(
    { ...parcel, ...judged },
    origin,
    found.connector,
    engine.bridgeKey,
    event.origin === found.connector.name,
  );
  const fault = parcel.fault ?? sizeFault(packet);

  const facts = {
    ...birthFacts(packet, engine.bridgeKey),
    governance: judged.decisions as unknown as Json,
    ...(by && { actor: by.actor }),
  };
  const now = engine.clock.now();
  if (fault !== undefined) return begin(packet, now, "HELD", { ...facts, reason: "mapping" }, { reason: fault });
  if (judged.verdict === "block") {
    return begin(packet, now, "HELD", { ...facts, reason: "governance" }, { reason: blockedReason(judged) });
  }
  return begin(packet, now, "QUEUED", facts, change);
}

/** A second packet of one event for one record: which of the two counts, only a person can say. */
export function repeated(engine: Engine, packet: Packet): Stepped {
  const connector = engine.catalog.get(packet.connector) as Connector;
  const where = packet.at === undefined ? `element ${packet.element}` : `line ${(packet.element ?? 0) + 1}`;
  const entity = `${packet.entity} (again, ${where})`;
  const apart = readdress(packet, entity, connector, engine.bridgeKey);
  const facts = { ...birthFacts(apart, engine.bridgeKey), reason: "mapping" };
  const reason = `the event names the same record twice, by the same key: here in ${where}; which counts?`;
  return begin(apart, engine.clock.now(), "HELD", facts, { reason });
}

/** What the ledger says of a packet at its beginning: names and hashes, no value. */
export function birthFacts(packet: Packet, bridgeKey: KeyObject): Facts {
  return {
    ...plainFacts(packet, bridgeKey),
    version: { ...packet.version, source: toldName(packet.version.source) } as unknown as Json,
  };
}
