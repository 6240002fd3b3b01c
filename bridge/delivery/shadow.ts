import type { KeyObject } from "node:crypto";
import type { Packet } from "../model/packet.ts";
import type { Shadow } from "../model/shadow.ts";
import { compareVersions } from "../model/version.ts";
import { canonicalJson } from "../values/canonical-json.ts";
import { keyedHash } from "../values/ids.ts";
import type { JsonObject } from "../values/json.ts";

/** Shadow of an entity about which nothing is known. */
export const emptyShadow: Shadow = { fields: {} };

/** Key for the hashes in a shadow. */
export interface ShadowKey {
  readonly bridgeKey: KeyObject;
  /** Increases when an operator forgets all shadows of a connector, so that no earlier hash matches. */
  readonly epoch: number;
}

/** Result of reconciling a packet: the fields left to send, or the packet's final status if there are none. */
export type Reconciliation =
  | { readonly kind: "send"; readonly fields: JsonObject }
  | { readonly kind: "SUPERSEDED" | "UNCHANGED" };

/**
 * Drops the fields for which the target already holds a newer version (last writer wins, per field) or the same value.
 *
 * A `send: full` packet is reconciled as a whole. A deletion is superseded by any newer field and supersedes all older
 * ones.
 */
export function reconcile(packet: Packet, shadow: Shadow, key: ShadowKey): Reconciliation {
  const isNewer = (version: Shadow["deleted"]) => version !== undefined && compareVersions(version, packet.version) > 0;
  if (isNewer(shadow.deleted)) return { kind: "SUPERSEDED" };

  if (packet.action === "delete") {
    if (Object.values(shadow.fields).some((field) => isNewer(field.version))) return { kind: "SUPERSEDED" };
    const isDeleted = shadow.deleted !== undefined && !shadow.inDoubt && Object.keys(shadow.fields).length === 0;
    return isDeleted && !packet.force ? { kind: "UNCHANGED" } : { kind: "send", fields: packet.fields };
  }

  const hashes = hashesOf(packet, key);
  const fields: JsonObject = {};
  let supersededFields = 0;
  for (const [name, value] of Object.entries(packet.fields)) {
    const held = heldField(shadow, name);
    if (held && compareVersions(held.version, packet.version) > 0) supersededFields++;
    else if (packet.force || held?.hash !== hashes[name]) fields[name] = value;
  }
  if (packet.send === "full") {
    if (supersededFields > 0) return { kind: "SUPERSEDED" };
    return Object.keys(fields).length > 0 ? { kind: "send", fields: packet.fields } : { kind: "UNCHANGED" };
  }
  if (Object.keys(fields).length > 0) return { kind: "send", fields };
  return { kind: supersededFields > 0 ? "SUPERSEDED" : "UNCHANGED" };
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

/** Returns the shadow after a delivery, or after the target was found to hold the packet's values already. */
export function afterDelivery(packet: Packet, shadow: Shadow, key: ShadowKey): Shadow {
  if (packet.action === "delete") return { fields: {}, deleted: packet.version };
  const fields = { ...shadow.fields };
  for (const [name, hash] of Object.entries(hashesOf(packet, key))) {
    const held = heldField(shadow, name);
    if (!held || compareVersions(held.version, packet.version) <= 0) fields[name] = { version: packet.version, hash };
  }
  return { ...shadow, fields };
}

/**
 * Returns the shadow after a send that may or may not have landed.
 *
 * The hashes of the sent fields are dropped, so the next packet sends its values even if they look unchanged. The
 * fields take the packet's version: if the send did land, an older value must not overwrite it, and a retry could not
 * repair that because the target ignores repeated idempotency keys.
 */
export function afterDoubt(packet: Packet, shadow: Shadow, key: ShadowKey): Shadow {
  const { version } = packet;
  const isNotNewer = (other: Shadow["deleted"]) => other === undefined || compareVersions(other, version) <= 0;
  if (packet.action === "delete") {
    const fields = forgotten(shadow).fields;
    return isNotNewer(shadow.deleted) ? { fields, deleted: version, inDoubt: true } : { ...shadow, fields };
  }
  const fields = { ...shadow.fields };
  for (const [name, hash] of Object.entries(hashesOf(packet, key))) {
    const held = heldField(shadow, name);
    if (!isNotNewer(held?.version)) continue;
    // A field whose value the target already held was not sent, so its hash is still right.
    fields[name] = held?.hash === hash && !packet.force && packet.send === "changed" ? { version, hash } : { version };
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
    const version = heldField(shadow, name)?.version ?? shadow.deleted;
    if (version) fields[name] = { version };
  }
  return { ...shadow, fields };
}

/**
 * Returns the shadow after a packet with nothing left to send: a field that already holds the packet's value takes its
 * version. Returns the given object if no field changes.
 */
export function afterNothingSent(packet: Packet, shadow: Shadow, key: ShadowKey): Shadow {
  const updates = Object.entries(hashesOf(packet, key)).flatMap(([name, hash]) => {
    const held = heldField(shadow, name);
    const isOlder = held && compareVersions(held.version, packet.version) < 0;
    return isOlder && held.hash === hash ? [[name, { ...held, version: packet.version }] as const] : [];
  });
  return updates.length === 0 ? shadow : { ...shadow, fields: { ...shadow.fields, ...Object.fromEntries(updates) } };
}

/** Reads only own properties: a field may be called `toString`. */
function heldField(shadow: Shadow, name: string): Shadow["fields"][string] | undefined {
  return Object.hasOwn(shadow.fields, name) ? shadow.fields[name] : undefined;
}

/**
 * Returns a shadow without hashes, so that every value is sent again: others may have changed the record at the target.
 */
export function forgotten(shadow: Shadow): Shadow {
  const fields = Object.entries(shadow.fields).map(([name, { version }]) => [name, { version }] as const);
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
  const epoch = key.epoch === 0 ? [] : [String(key.epoch)];
  const hashes = Object.fromEntries(
    Object.entries(packet.fields).map(([name, value]) => [
      name,
      keyedHash(key.bridgeKey, packet.shadow, name, canonicalJson(value), ...epoch),
    ]),
  );
  cachedHashes.set(packet, { key, hashes });
  return hashes;
}
