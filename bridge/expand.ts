import type { KeyObject } from "node:crypto";
import canonicalize from "canonicalize";
import type { SourceEvent } from "./event.ts";
import { keyedHash } from "./ids.ts";
import type { Json } from "./json.ts";
import type { Facts } from "./ledger.ts";
import { mapEvent, type Parcel } from "./map.ts";
import { match } from "./match.ts";
import { type Origin, type Packet, pack, sizeFault, versionOf } from "./pack.ts";
import type { Engine } from "./ports.ts";
import type { Progress } from "./records.ts";
import type { Sheet } from "./sheet.ts";
import { begin, type Stepped } from "./step.ts";
import { vet } from "./vet.ts";

export interface Expansion {
  /** The packets, each with the first step of its story. */
  readonly steps: readonly Stepped[];
  /** Targets that wanted the event; one in which nothing changed has no packet. */
  readonly matched: number;
  /** Its time lay too far ahead, and was set back. */
  readonly clamped: boolean;
}

/**
 * Event and sheets in, packets out: match, map, vet, pack. Nothing is read or written, so it can be run again with the
 * same result.
 *
 * @param accepted µs since the epoch, fixed at the event's first acceptance
 * @param change what is special about these packets' way from the beginning
 */
export async function expand(
  engine: Engine,
  key: string,
  event: SourceEvent,
  sheets: readonly Sheet[],
  accepted: number,
  change: Partial<Progress> = {},
): Promise<Expansion> {
  const acceptedMs = Math.floor(accepted / 1_000);
  const { version, clamped } = versionOf(event, accepted);
  const origin = { key, type: event.type, version };
  const matches = await match(event, sheets, acceptedMs);
  const steps: Stepped[] = [];
  const seen = new Set<string>();
  for (const found of matches) {
    for (const parcel of await mapEvent(event, found, acceptedMs)) {
      steps.push(firstStep(engine, parcel, origin, seen, change));
    }
  }
  return { steps, matched: matches.length, clamped };
}

/** Vets and packs a parcel. One that cannot go as it is waits for a person from the beginning. */
function firstStep(
  engine: Engine,
  parcel: Parcel,
  origin: Origin,
  seen: Set<string>,
  change: Partial<Progress>,
): Stepped {
  const found = engine.catalog.find(parcel.target.connector);
  if ("fault" in found) throw new Error(found.fault);
  const vetted = vet(engine.sheets().policy, parcel);
  let packet = pack(vetted, origin, found.connector, engine.bridgeKey);
  let fault = parcel.fault ?? sizeFault(packet);
  if (seen.has(packet.id)) {
    const entity = `${parcel.entity} (again, ${seen.size})`;
    packet = pack({ ...vetted, entity }, origin, found.connector, engine.bridgeKey);
    fault = `the event gives ${parcel.target.keyPath ?? "the same record"} twice with the same value; which of them counts?`;
  }
  seen.add(packet.id);

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
