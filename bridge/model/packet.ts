import type { KeyObject } from "node:crypto";
import { canonicalJson } from "../values/canonical-json.ts";
import { keyedHash, shortId } from "../values/ids.ts";
import { bodyText, type JsonObject } from "../values/json.ts";
import type { SourceEvent } from "./event.ts";
import type { Facts } from "./ledger-entry.ts";

/**
 * Largest packet, as UTF-8 JSON. It leaves room in the table item for the packet's other data.
 *
 * Source: Amazon DynamoDB quotas, item size 400 KB.
 */
export const maxPacketBytes = 262_144;

/** Maximum time by which an event's own time may lie ahead of its acceptance. A later time is clamped. */
const maxAheadMs = 5 * 60_000;

/** Position of a change in time, fixed when the event is first accepted. A revision changes only its `revision`. */
export interface Version {
  readonly source: string;
  readonly sequence?: number;
  /** The event's own time in ms since the epoch, clamped if it is too far in the future. */
  readonly time: number;
  /** Time of first acceptance in µs since the epoch, strictly increasing in one process. */
  readonly accepted: number;
  readonly revision: number;
}

/** The minimal set of mapped, changed, vetted fields for one target and one entity. */
export interface Packet {
  /** `pkt-` and 16 base32 characters, derived from event, target, entity and revision. */
  readonly id: string;
  /** The event's key: `evt-…`. */
  readonly event: string;
  readonly eventType: string;
  readonly sheet: string;
  readonly sheetHash: string;
  readonly target: string;
  /** `PayrollConnector@v1` */
  readonly connector: string;
  readonly entity: string;
  /** Order matters only inside a lane. */
  readonly lane: string;
  /** Key of the entity's shadow, which records what the target holds. */
  readonly shadow: string;
  readonly order: "latest" | "strict";
  readonly send: "changed" | "full";
  readonly action: "upsert" | "delete";
  readonly fields: JsonObject;
  /** Index of the element in the event's roster. */
  readonly element?: number;
  /** Byte offset of that element in its roster file. */
  readonly at?: number;
  readonly version: Version;
  readonly windowMs: number;
  /** Id of the packet that this one replays. */
  readonly replayOf?: string;
  /** Id of the packet that this one replaced, on behalf of an operator or after an interrupted attempt. */
  readonly replaces?: string;
  /** True if an operator edited its fields. */
  readonly edited?: true;
  /** True if values that the target is believed to hold are sent as well. */
  readonly force?: boolean;
  /** True if the change came from the target itself. It is recorded but not sent back. */
  readonly echo?: boolean;
  /** Id of the job that created it. */
  readonly job?: string;
}

/**
 * Returns the version that all packets of an event share. `clamped` is true if the event's time was too far in the
 * future.
 *
 * @param accepted time of acceptance in µs since the epoch
 */
export function versionOf(event: SourceEvent, accepted: number): { version: Version; clamped: boolean } {
  const acceptedMs = Math.floor(accepted / 1_000);
  const time = event.time === undefined ? acceptedMs : Date.parse(event.time);
  const clamped = time > acceptedMs + maxAheadMs;
  return {
    version: {
      source: event.source,
      ...(event.sequence !== undefined && { sequence: event.sequence }),
      time: clamped ? acceptedMs + maxAheadMs : time,
      accepted,
      revision: 0,
    },
    clamped,
  };
}

/**
 * Compares two changes by age: below zero if `a` is older.
 *
 * Two changes from one source are compared by sequence if both have one. All others are compared by time, then by order
 * of first acceptance, then by revision.
 */
export function compareVersions(a: Version, b: Version): number {
  if (a.source === b.source && a.sequence !== undefined && b.sequence !== undefined && a.sequence !== b.sequence) {
    return a.sequence - b.sequence;
  }
  return a.time - b.time || a.accepted - b.accepted || a.revision - b.revision;
}

/** Creates a packet that sends the same change again under a new id. */
export function revise(packet: Packet, revision: number, changes: Pick<Packet, "force" | "job"> = {}): Packet {
  const { force: _f, job: _j, replaces: _r, ...rest } = packet;
  return { ...rest, ...changes, ...revised(packet, revision), replayOf: packet.id };
}

/**
 * Creates the packet that replaces another, as its next revision. It keeps the version's time, so that it does not
 * count as a newer change.
 *
 * @param content the packet to send instead
 */
export function replacementOf(parent: Packet, content: Packet, revision: number, job?: string): Packet {
  const { job: _, ...rest } = content;
  return {
    ...rest,
    ...revised(content, revision),
    ...(parent.replayOf && { replayOf: parent.replayOf }),
    ...(parent.force && { force: true }),
    ...(job && { job }),
    replaces: parent.id,
  };
}

function revised(packet: Packet, revision: number): Pick<Packet, "id" | "version"> {
  return {
    id: packetId(packet.event, `${packet.sheet}.${packet.target}`, packet.entity, revision),
    version: { ...packet.version, revision },
  };
}

/** Hashes a packet's fields with a key, to bind them to the ledger entry without revealing them. */
export function digestOf(packet: Packet, bridgeKey: KeyObject): string {
  return keyedHash(bridgeKey, packet.id, canonicalJson(packet.fields));
}

/** Returns the facts of a packet's first ledger entry, without the version, whose source may be a person's address. */
export function plainFacts(packet: Packet, bridgeKey: KeyObject): Facts {
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
    ...(packet.replayOf && { replayOf: packet.replayOf }),
    ...(packet.replaces && { replaces: packet.replaces }),
    ...(packet.force && { force: true }),
    ...(packet.echo && { echo: true }),
    ...(packet.job && { job: packet.job }),
  };
}

/** Returns a packet's position in a strict lane: its sequence if its source provides one, otherwise its acceptance. */
export function strictOrder(packet: Packet): number {
  return packet.version.sequence ?? packet.version.accepted;
}

/** @param target `sheet.target` */
export function packetId(event: string, target: string, entity: string, revision: number): string {
  return `pkt-${shortId(event, target, entity, String(revision))}`;
}

/** Returns a message if a packet is too large to store. */
export function sizeIssue(packet: Packet): string | undefined {
  if (!mayBeLarge(packet.fields)) return undefined;
  const bytes = Buffer.byteLength(bodyText(packet));
  return bytes > maxPacketBytes ? `the packet has ${bytes} bytes; the limit is ${maxPacketBytes}` : undefined;
}

/** Returns true if the packet may be too large and must be measured. A UTF-16 unit takes at most 6 bytes of JSON. */
function mayBeLarge(fields: JsonObject): boolean {
  let bytes = 4_096;
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === "object" && value !== null) return true;
    bytes += 6 * (name.length + (typeof value === "string" ? value.length : 32));
  }
  return bytes > maxPacketBytes;
}
