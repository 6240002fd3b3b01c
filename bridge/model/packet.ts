import type { KeyObject } from "node:crypto";
import { canonicalJson } from "../values/canonical-json.ts";
import { keyedHash, shortId } from "../values/ids.ts";
import { bodyText, type JsonObject } from "../values/json.ts";
import { recordKey } from "../values/record-key.ts";
import type { Facts } from "./ledger-entry.ts";
import type { Version } from "./version.ts";

/**
 * Largest packet, as UTF-8 JSON. It leaves room in the table item for the packet's other data.
 *
 * Source: Amazon DynamoDB quotas, item size 400 KB.
 */
export const maxPacketBytes = 262_144;

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
  /** Key of the record as it was given. Compare keys by `recordKey`. */
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

/**
 * Returns the id of a packet. All spellings of one key yield the same id.
 *
 * @param target `sheet.target`
 */
export function packetId(event: string, target: string, entity: string, revision: number): string {
  return `pkt-${shortId(event, target, recordKey(entity), String(revision))}`;
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
