import type { KeyObject } from "node:crypto";
import canonicalize from "canonicalize";
import type { Connector } from "./connector.ts";
import type { SourceEvent } from "./event.ts";
import { keyedHash } from "./ids.ts";
import type { Json } from "./json.ts";
import type { Facts } from "./ledger.ts";
import { mapEvent, type Parcel, rosterOf } from "./map.ts";
import { type Match, match } from "./match.ts";
import { type Origin, type Packet, pack, readdress, sizeFault, type Version, versionOf } from "./pack.ts";
import type { Engine } from "./ports.ts";
import type { Progress } from "./records.ts";
import type { Sheet } from "./sheet.ts";
import { begin, type Stepped } from "./step.ts";
import { vet } from "./vet.ts";

/** What an event is to become: the targets that want it, and its place in time. */
export interface Plan {
  readonly key: string;
  readonly event: SourceEvent;
  /** The targets that want it; one in which nothing changed gets no packet. */
  readonly matches: readonly Match[];
  readonly version: Version;
  /** Its time lay too far ahead, and was set back. */
  readonly clamped: boolean;
  /** Fixed at the first acceptance. ms */
  readonly acceptedMs: number;
}

/** @param accepted µs since the epoch, fixed at the event's first acceptance */
export async function plan(key: string, event: SourceEvent, sheets: readonly Sheet[], accepted: number): Promise<Plan> {
  const acceptedMs = Math.floor(accepted / 1_000);
  return { key, event, matches: await match(event, sheets, acceptedMs), ...versionOf(event, accepted), acceptedMs };
}

/** Elements of a roster that are expanded together. */
const chunkSize = 500;

/**
 * The chunks a large event is expanded in; none where it is small enough to be expanded at once.
 *
 * `2.500`: of the third match the elements from the 501st on.
 */
export function chunksOf({ event, matches }: Plan): string[] {
  const sizes = matches.map((found) => rosterOf(event, found)?.length ?? 1);
  if (sizes.reduce((sum, size) => sum + size, 0) <= chunkSize) return [];
  return sizes.flatMap((size, found) =>
    Array.from({ length: Math.max(1, Math.ceil(size / chunkSize)) }, (_, i) => `${found}.${i * chunkSize}`),
  );
}

/**
 * A plan in, packets out: map, vet, pack. Nothing is read or written, so it can be run again with the same result.
 *
 * @param options.chunk only these packets
 * @param options.change what is special about these packets' way from the beginning
 * @returns the packets, each with the first step of its story
 */
export async function expand(
  engine: Engine,
  planned: Plan,
  { chunk, change = {} }: { readonly chunk?: string; readonly change?: Partial<Progress> } = {},
): Promise<Stepped[]> {
  const { key, event, version, acceptedMs } = planned;
  const origin = { key, type: event.type, version };
  const [only, first] = chunk?.split(".").map(Number) ?? [];
  const part = first === undefined ? undefined : { from: first, to: first + chunkSize };
  const matches = only === undefined ? planned.matches : planned.matches.slice(only, only + 1);
  const steps: Stepped[] = [];
  const seen = new Set<string>();
  for (const found of matches) {
    for (const parcel of await mapEvent(event, found, acceptedMs, part)) {
      const step = firstStep(engine, parcel, origin, change);
      steps.push(seen.has(step.record.packet.id) ? repeated(engine, step.record.packet) : step);
      seen.add(step.record.packet.id);
    }
  }
  return steps;
}

/** Vets and packs a parcel. One that cannot go as it is waits for a person from the beginning. */
function firstStep(engine: Engine, parcel: Parcel, origin: Origin, change: Partial<Progress>): Stepped {
  const found = engine.catalog.find(parcel.target.connector);
  if ("fault" in found) throw new Error(found.fault);
  const vetted = vet(engine.sheets().policy, parcel);
  const packet = pack(vetted, origin, found.connector, engine.bridgeKey);
  const fault = parcel.fault ?? sizeFault(packet);

  const facts = { ...birthFacts(packet, engine.bridgeKey), governance: vetted.decisions as unknown as Json };
  const now = engine.clock.now();
  if (fault !== undefined) return begin(packet, now, "HELD", { ...facts, reason: "mapping" }, { reason: fault });
  if (vetted.verdict === "block") {
    const blocked = vetted.decisions.filter(({ action }) => action === "block");
    const reason = `governance blocks ${blocked.map(({ field, rule }) => `${field} (${rule})`).join(", ")}`;
    return begin(packet, now, "HELD", { ...facts, reason: "governance" }, { reason });
  }
  return begin(packet, now, "QUEUED", facts, change);
}

/** A second packet of one event for one record: which of the two counts, only a person can say. */
export function repeated(engine: Engine, packet: Packet): Stepped {
  const connector = engine.catalog.get(packet.connector) as Connector;
  const entity = `${packet.entity} (again, element ${packet.element})`;
  const apart = readdress(packet, entity, connector, engine.bridgeKey);
  const facts = { ...birthFacts(apart, engine.bridgeKey), reason: "mapping" };
  const reason = `the event names the same record twice, by the same key: here in element ${packet.element}; which counts?`;
  return begin(apart, engine.clock.now(), "HELD", facts, { reason });
}

/** Binds a packet's fields to its ledger entry, without telling them. */
export function digestOf(packet: Packet, bridgeKey: KeyObject): string {
  return keyedHash(bridgeKey, packet.id, canonicalize(packet.fields) as string);
}

/** What the ledger says of a packet at its beginning: names and hashes, no value. */
export function birthFacts(packet: Packet, bridgeKey: KeyObject): Facts {
  return {
    event: packet.event,
    type: packet.eventType,
    sheet: packet.sheet,
    sheetHash: packet.sheetHash,
    target: packet.target,
    connector: packet.connector,
    lane: packet.lane,
    action: packet.action,
    fields: Object.keys(packet.fields),
    digest: digestOf(packet, bridgeKey),
    version: packet.version as unknown as Json,
    ...(packet.replayOf && { replayOf: packet.replayOf }),
    ...(packet.force && { force: true }),
    ...(packet.job && { job: packet.job }),
  };
}
