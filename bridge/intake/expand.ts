import type { KeyObject } from "node:crypto";
import type { Engine } from "../engine.ts";
import { blockedReason, govern } from "../governance/govern.ts";
import {
  type Element,
  elementName,
  heldPayload,
  type MappedPayload,
  mapEvent,
  rosterOf,
} from "../mapping/map-event.ts";
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
import { type Origin, type PacketAddressee, pack, readdress } from "./build-packet.ts";
import type { Part } from "./chunk-id.ts";
import type { Plan } from "./plan.ts";

/** Options for `expand`. */
export interface ExpandOptions {
  /** Creates only the packets of this part. */
  readonly part?: Part;
  /** Creates only the packet of this roster element. In a file, `at` is the byte at which its line begins. */
  readonly element?: { readonly number: number; readonly at?: number };
  /** Initial progress of packets that are not held. */
  readonly progress?: Partial<Progress>;
}

/**
 * Maps, vets and packs the payloads of a plan. Nothing is written, and running it again yields the same packets.
 *
 * @returns each packet's first record with the first entry of its chain
 */
export async function expand(engine: Engine, planned: Plan, options: ExpandOptions = {}): Promise<Transition[]> {
  const { event, acceptedMs, matches } = planned;
  const { part, element } = options;
  const created: Transition[] = [];
  const seen = new Set<string>();
  for (const [i, match] of matches.entries()) {
    if ((part && part.match !== i) || match.target.publish !== undefined) continue;
    const elements = await elementsOf(engine, planned, part ?? { match: i }, element);
    const payloads = isPayload(elements) ? [elements] : await mapEvent(event, match, acceptedMs, elements);
    const packed = await Promise.all(payloads.map((payload) => vetAndPack(engine, payload, planned, options.progress)));
    for (const one of packed) {
      const { packet } = one.record;
      created.push(seen.has(packet.id) ? holdRepeatedKey(engine, packet) : one);
      seen.add(packet.id);
    }
  }
  return created;
}

/**
 * Returns a part's elements, or the requested element. If their file cannot be read, returns a payload to hold instead.
 */
async function elementsOf(
  { files }: Engine,
  { event, matches, rosters }: Plan,
  { match: index, first, from, to }: Part,
  only: ExpandOptions["element"],
): Promise<readonly Element[] | MappedPayload | undefined> {
  const match = matches[index] as Match;
  const roster = rosters.find((one) => one.match === index);
  if (!roster) {
    if (only) return rosterOf(event, match, only.number, only.number + 1);
    return first === undefined ? rosterOf(event, match) : rosterOf(event, match, first, first + chunkSize);
  }
  if ("fault" in roster) return heldPayload(match, `event ${event.id}`, roster.fault);
  const lines = { first: only?.number ?? first ?? 0, from: only?.at ?? from ?? 0, to: to ?? roster.bytes };
  try {
    return only ? await elementAt(files, roster, lines) : await elementsIn(files, roster, lines);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    const where = `${elementName(match, lines.first)} and on`;
    return { ...heldPayload(match, where, `${where}: ${withRemedy(error)}`), element: lines.first };
  }
}

function isPayload(given: readonly Element[] | MappedPayload | undefined): given is MappedPayload {
  return given !== undefined && !Array.isArray(given);
}

/** Vets and packs a payload. The packet is held from the start if it has a mapping issue or governance blocks it. */
async function vetAndPack(
  engine: Engine,
  payload: MappedPayload,
  planned: Plan,
  progress: Partial<Progress> = {},
): Promise<Transition> {
  const found = engine.catalog.find(payload.target.connector);
  const connector = "issue" in found ? missingConnector(payload.target.connector) : found.connector;
  const target = { ...payload.target, connector: connectorId(connector) };
  const vetted = await govern(engine, { ...payload, target });
  const { key, event, version, by } = planned;
  const origin: Origin = { key, type: event.type, version, ...(by && { job: by.job }), connector: event.origin };
  const packet = pack({ ...payload, ...vetted }, origin, connector, engine.bridgeKey);
  const missing = "issue" in found ? `${found.issue}; install it and release the packet, or discard it` : undefined;
  const issue = payload.issue ?? missing ?? sizeIssue(packet);

  const facts = {
    ...initialFacts(packet, engine.bridgeKey),
    governance: vetted.decisions as unknown as Json,
    ...(by && { actor: by.actor }),
  };
  const now = engine.clock.now();
  if (issue !== undefined) {
    return createPacketRecord(packet, now, {
      status: "HELD",
      facts: { ...facts, reason: "mapping" },
      progress: { reason: issue },
    });
  }
  if (vetted.verdict === "block") {
    return createPacketRecord(packet, now, {
      status: "HELD",
      facts: { ...facts, reason: "governance" },
      progress: { reason: blockedReason(vetted) },
    });
  }
  return createPacketRecord(packet, now, { status: "QUEUED", facts, progress });
}

/** Returns the address of a connector that was removed while an event waited. Its packet is held. */
function missingConnector(reference: string): PacketAddressee {
  const [name = reference, version = "v1"] = reference.split("@");
  return { name, version, order: "latest" };
}

/**
 * Holds an event's second packet for an entity under a separate entity, so an operator can decide which one applies.
 */
export function holdRepeatedKey(engine: Engine, packet: Packet): Transition {
  const connector = engine.catalog.get(packet.connector) as Connector;
  const where = packet.at === undefined ? `element ${packet.element}` : `line ${(packet.element ?? 0) + 1}`;
  const entity = `${packet.entity} (again, ${where})`;
  const readdressed = readdress(packet, entity, connector, engine.bridgeKey);
  return createPacketRecord(readdressed, engine.clock.now(), {
    status: "HELD",
    facts: { ...initialFacts(readdressed, engine.bridgeKey), reason: "mapping" },
    progress: { reason: `the event has the same key twice, the second time in ${where}; decide which one applies` },
  });
}

/** Returns the facts of a packet's first ledger entry: names and hashes, but no values. */
export function initialFacts(packet: Packet, bridgeKey: KeyObject): Facts {
  return {
    ...plainFacts(packet, bridgeKey),
    version: { ...packet.version, source: redactName(packet.version.source) } as unknown as Json,
  };
}
