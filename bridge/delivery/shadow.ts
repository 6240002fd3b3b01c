import type { KeyObject } from "node:crypto";
import type { Packet } from "../model/packet.ts";
import type { Shadow, ShadowField } from "../model/shadow.ts";
import { compareVersions, type Version } from "../model/version.ts";
import { canonicalJson } from "../values/canonical-json.ts";
import { keyedHash } from "../values/ids.ts";
import type { Json, JsonObject } from "../values/json.ts";

/** Shadow of an entity about which nothing is known. */
export const emptyShadow: Shadow = { fields: {} };

/** Key for the hashes in a shadow. */
export interface ShadowKey {
  readonly bridgeKey: KeyObject;
  /** Increases when an operator forgets all shadows of a connector, so that no earlier hash matches. */
  readonly epoch: number;
}

/** Result of reconciling a packet: what is left to send, or the packet's final status if nothing is. */
export type Reconciliation =
  | {
      readonly kind: "send";
      readonly fields: JsonObject;
      /** Set for a deletion that is sent as an upsert of nulls, because it clears only what is older than itself. */
      readonly action?: "upsert";
      readonly send?: "changed";
    }
  | {
      /** Some fields of a `send: full` packet are superseded. It is sent with their newer values. */
      readonly kind: "blend";
      /** Packets that wrote the newer values, by field. Undefined if the shadow does not know. */
      readonly newer: ReadonlyMap<string, string | undefined>;
    }
  | {
      /** Another packet of the same event changed the same fields in another way, so neither is newer. */
      readonly kind: "tie";
      readonly names: readonly string[];
      /** The other packet. Undefined if it deleted the record. */
      readonly by: string | undefined;
    }
  | { readonly kind: "SUPERSEDED" | "UNCHANGED" };

/**
 * Drops the fields for which the target already holds a newer version (last writer wins, per field) or the same value.
 *
 * A `send: full` packet is sent whole or not at all. A deletion that something newer overtook still clears the fields
 * that are older than it.
 */
export function reconcile(packet: Packet, shadow: Shadow, key: ShadowKey): Reconciliation {
  if (isNewer(shadow.deleted, packet)) return { kind: "SUPERSEDED" };
  return packet.action === "delete" ? reconcileDeletion(packet, shadow, key) : reconcileFields(packet, shadow, key);
}

function isNewer(version: Version | undefined, packet: Packet): boolean {
  return version !== undefined && compareVersions(version, packet.version) > 0;
}

function reconcileDeletion(packet: Packet, shadow: Shadow, key: ShadowKey): Reconciliation {
  const held = Object.entries(shadow.fields);
  const older = held.filter(([, { version }]) => !isNewer(version, packet));
  const tied = older.filter(([, field]) => isTie(field, packet));
  if (tied.length > 0) return { kind: "tie", names: tied.map(([name]) => name), by: tied[0]?.[1].by };
  if (older.length === held.length) {
    const isDeleted = shadow.deleted !== undefined && !shadow.inDoubt && held.length === 0;
    return isDeleted && !packet.force ? { kind: "UNCHANGED" } : { kind: "send", fields: packet.fields };
  }
  const left = older.filter(([name, { hash }]) => packet.force || hash !== hashOf(packet.shadow, key, name, null));
  if (left.length === 0) return { kind: "SUPERSEDED" };
  const fields = Object.fromEntries(left.map(([name]) => [name, null]));
  return { kind: "send", fields, action: "upsert", send: "changed" };
}

function reconcileFields(packet: Packet, shadow: Shadow, key: ShadowKey): Reconciliation {
  if (shadow.deleted && compareVersions(shadow.deleted, packet.version) === 0) {
    return { kind: "tie", names: Object.keys(packet.fields), by: undefined };
  }
  const hashes = hashesOf(packet, key);
  const fields: JsonObject = {};
  const newer = new Map<string, string | undefined>();
  const tied: string[] = [];
  for (const [name, value] of Object.entries(packet.fields)) {
    const held = heldField(shadow, name);
    if (held && isNewer(held.version, packet)) newer.set(name, held.by);
    else if (packet.force || held?.hash !== hashes[name]) {
      fields[name] = value;
      if (held?.hash !== undefined && held.hash !== hashes[name] && isTie(held, packet)) tied.push(name);
    }
  }
  const [tiedName] = tied;
  if (tiedName !== undefined) return { kind: "tie", names: tied, by: heldField(shadow, tiedName)?.by };
  if (Object.keys(fields).length === 0) return { kind: newer.size > 0 ? "SUPERSEDED" : "UNCHANGED" };
  if (packet.send === "changed") return { kind: "send", fields };
  return newer.size > 0 ? { kind: "blend", newer } : { kind: "send", fields: packet.fields };
}

/**
 * Returns true if a field was last written by another packet of the same event. A revision is an operator's decision and
 * ties with none.
 */
function isTie({ version, by }: ShadowField, packet: Packet): boolean {
  return by !== undefined && by !== packet.id && compareVersions(version, packet.version) === 0;
}

/**
 * Compares a packet's value of a field with the one in the shadow; `unknown` if the shadow has no hash for the field.
 */
export function beliefAbout(
  packet: Packet,
  field: string,
  shadow: Shadow,
  key: ShadowKey,
): "this" | "another" | "unknown" {
  const held = heldField(shadow, field)?.hash;
  if (held === undefined) return "unknown";
  return held === hashesOf(packet, key)[field] ? "this" : "another";
}

/**
 * Returns the shadow after a delivery, or after the target was found to hold the packet's values already.
 *
 * @param sent action that was sent: `upsert` for a deletion that only cleared fields
 */
export function afterDelivery(
  packet: Packet,
  shadow: Shadow,
  key: ShadowKey,
  sent: Packet["action"] = packet.action,
): Shadow {
  const { version, id: by } = packet;
  if (packet.action === "delete") return afterDeletion(packet, shadow, key, sent);
  const fields = { ...shadow.fields };
  for (const [name, hash] of Object.entries(hashesOf(packet, key))) {
    if (!isNewer(heldField(shadow, name)?.version, packet)) fields[name] = { version, hash, by };
  }
  return { ...shadow, fields };
}

function afterDeletion(packet: Packet, shadow: Shadow, key: ShadowKey, sent: Packet["action"]): Shadow {
  const { version } = packet;
  const held = Object.entries(shadow.fields);
  const newer = held.filter((field) => isNewer(field[1].version, packet));
  if (newer.length === 0) return { fields: {}, deleted: version };
  const deleted = shadow.deleted && isNewer(shadow.deleted, packet) ? shadow.deleted : version;
  // The record was deleted although newer values had been sent meanwhile, in an order that is not known.
  if (sent === "delete") return { ...forgotten({ fields: Object.fromEntries(newer) }), deleted, inDoubt: true };
  const cleared = held
    .filter((field) => !newer.includes(field))
    .map(([name]) => [name, { version, hash: hashOf(packet.shadow, key, name, null) }] as const);
  return { ...shadow, fields: Object.fromEntries([...newer, ...cleared]), deleted };
}

/**
 * Returns the shadow after a send that may or may not have landed.
 *
 * The hashes of the sent fields are dropped, so the next packet sends its values even if they look unchanged. The
 * fields take the packet's version: if the send did land, an older value must not overwrite it, and a retry could not
 * repair that because the target ignores repeated idempotency keys.
 */
export function afterDoubt(packet: Packet, shadow: Shadow, key: ShadowKey): Shadow {
  const { version, id: by } = packet;
  if (packet.action === "delete") {
    const fields = forgotten(shadow).fields;
    return isNewer(shadow.deleted, packet) ? { ...shadow, fields } : { fields, deleted: version, inDoubt: true };
  }
  const fields = { ...shadow.fields };
  for (const [name, hash] of Object.entries(hashesOf(packet, key))) {
    const held = heldField(shadow, name);
    if (isNewer(held?.version, packet)) continue;
    // A field whose value the target already held was not sent, so its hash is still right.
    const isUnsent = held?.hash === hash && !packet.force && packet.send === "changed";
    fields[name] = { version, by, ...(isUnsent && { hash }) };
  }
  return { ...shadow, fields };
}

/**
 * Returns the shadow after a refusal.
 *
 * The hashes of the refused fields are dropped, because a refusal does not prove that the target kept its old values.
 * The versions stay, so a packet older than the refused one may still be sent.
 */
export function afterRefusal(packet: Packet, shadow: Shadow): Shadow {
  if (packet.action === "delete") return forgotten(shadow);
  const fields = { ...shadow.fields };
  for (const name of Object.keys(packet.fields)) {
    // The upsert may have recreated a deleted record. Without a field in the shadow, a later deletion would be skipped.
    const { hash: _, ...field } = heldField(shadow, name) ?? { version: shadow.deleted };
    if (field.version) fields[name] = { ...field, version: field.version };
  }
  return { ...shadow, fields };
}

/**
 * Returns the shadow after a packet with nothing left to send: a field that already holds the packet's value takes its
 * version, and a superseded deletion is noted, so that nothing older is sent. Returns the given object if nothing
 * changes.
 */
export function afterNothingSent(packet: Packet, shadow: Shadow, key: ShadowKey): Shadow {
  if (packet.action === "delete") {
    return isNewer(shadow.deleted, packet) ? shadow : { ...shadow, deleted: packet.version };
  }
  const updates = Object.entries(hashesOf(packet, key)).flatMap(([name, hash]) => {
    const held = heldField(shadow, name);
    const isOlder = held && compareVersions(held.version, packet.version) < 0;
    return isOlder && held.hash === hash ? [[name, { ...held, version: packet.version }] as const] : [];
  });
  return updates.length === 0 ? shadow : { ...shadow, fields: { ...shadow.fields, ...Object.fromEntries(updates) } };
}

/** Reads only own properties: a field may be called `toString`. */
function heldField(shadow: Shadow, name: string): ShadowField | undefined {
  return Object.hasOwn(shadow.fields, name) ? shadow.fields[name] : undefined;
}

/**
 * Returns a shadow without hashes, so that every value is sent again: others may have changed the record at the target.
 */
export function forgotten(shadow: Shadow): Shadow {
  const fields = Object.entries(shadow.fields).map(([name, { hash: _, ...field }]) => [name, field] as const);
  return { ...shadow, fields: Object.fromEntries(fields), ...(shadow.deleted && { inDoubt: true }) };
}

/** Hashes by packet. A packet is hashed only once, although it is reconciled before its send and recorded after it. */
const cachedHashes = new WeakMap<
  Packet,
  { readonly key: ShadowKey; readonly hashes: Readonly<Record<string, string>> }
>();

/** Returns a keyed hash of each field's value. */
function hashesOf(packet: Packet, key: ShadowKey): Readonly<Record<string, string>> {
  const cached = cachedHashes.get(packet);
  if (cached?.key.bridgeKey === key.bridgeKey && cached.key.epoch === key.epoch) return cached.hashes;
  const hashes = Object.fromEntries(
    Object.entries(packet.fields).map(([name, value]) => [name, hashOf(packet.shadow, key, name, value)]),
  );
  cachedHashes.set(packet, { key, hashes });
  return hashes;
}

function hashOf(shadow: string, { bridgeKey, epoch }: ShadowKey, field: string, value: Json): string {
  return keyedHash(bridgeKey, shadow, field, canonicalJson(value), ...(epoch === 0 ? [] : [String(epoch)]));
}
