import type { KeyObject } from "node:crypto";
import type { Engine } from "../engine.ts";
import { blockedReason, govern } from "../governance/govern.ts";
import { type Element, faulty, type MappedPayload, mapEvent, placeOf, rosterOf } from "../mapping/map-event.ts";
import type { Match } from "../mapping/match-targets.ts";
import { chunkSize, elementAt, elementsIn, withRemedy } from "../mapping/roster-file.ts";
import { type Connector, connectorId } from "../model/connector.ts";
import type { Facts } from "../model/ledger-entry.ts";
import { type Packet, plainFacts, sizeIssue } from "../model/packet.ts";
import type { Progress } from "../model/packet-record.ts";
import { redactName } from "../pii/redact.ts";
import { FileError } from "../ports/files.ts";
import { createPacketRecord, type Transition } from "../recording/transitions.ts";
import type { Json } from "../values/json.ts";
import { type Origin, pack, readdress } from "./build-packet.ts";
import type { Part } from "./chunk-id.ts";
import type { Plan } from "./plan.ts";

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
export async function expand(engine: Engine, planned: Plan, options: ExpandOptions = {}): Promise<Transition[]> {
  const { event, acceptedMs, matches } = planned;
  const { part, element } = options;
  const steps: Transition[] = [];
  const seen = new Set<string>();
  for (const [i, found] of matches.entries()) {
    if ((part && part.match !== i) || found.target.publish !== undefined) continue;
    const elements = await elementsOf(engine, planned, part ?? { match: i }, element);
    const parcels = isPayload(elements) ? [elements] : await mapEvent(event, found, acceptedMs, elements);
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
): Promise<readonly Element[] | MappedPayload | undefined> {
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
    if (!(error instanceof FileError)) throw error;
    const where = `${placeOf(found, lines.first)} and on`;
    return { ...faulty(found, where, `${where}: ${withRemedy(error)}`), element: lines.first };
  }
}

function isPayload(given: readonly Element[] | MappedPayload | undefined): given is MappedPayload {
  return given !== undefined && !Array.isArray(given);
}

/** Vets and packs a parcel. One that cannot go as it is waits for a person from the beginning. */
async function firstStep(
  engine: Engine,
  parcel: MappedPayload,
  planned: Plan,
  change: Partial<Progress> = {},
): Promise<Transition> {
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
  const fault = parcel.fault ?? sizeIssue(packet);

  const facts = {
    ...birthFacts(packet, engine.bridgeKey),
    governance: judged.decisions as unknown as Json,
    ...(by && { actor: by.actor }),
  };
  const now = engine.clock.now();
  if (fault !== undefined)
    return createPacketRecord(packet, now, "HELD", { ...facts, reason: "mapping" }, { reason: fault });
  if (judged.verdict === "block") {
    return createPacketRecord(
      packet,
      now,
      "HELD",
      { ...facts, reason: "governance" },
      { reason: blockedReason(judged) },
    );
  }
  return createPacketRecord(packet, now, "QUEUED", facts, change);
}

/** A second packet of one event for one record: which of the two counts, only a person can say. */
export function repeated(engine: Engine, packet: Packet): Transition {
  const connector = engine.catalog.get(packet.connector) as Connector;
  const where = packet.at === undefined ? `element ${packet.element}` : `line ${(packet.element ?? 0) + 1}`;
  const entity = `${packet.entity} (again, ${where})`;
  const apart = readdress(packet, entity, connector, engine.bridgeKey);
  const facts = { ...birthFacts(apart, engine.bridgeKey), reason: "mapping" };
  const reason = `the event names the same record twice, by the same key: here in ${where}; which counts?`;
  return createPacketRecord(apart, engine.clock.now(), "HELD", facts, { reason });
}

/** What the ledger says of a packet at its beginning: names and hashes, no value. */
export function birthFacts(packet: Packet, bridgeKey: KeyObject): Facts {
  return {
    ...plainFacts(packet, bridgeKey),
    version: { ...packet.version, source: redactName(packet.version.source) } as unknown as Json,
  };
}
