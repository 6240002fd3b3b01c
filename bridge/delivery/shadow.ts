import type { KeyObject } from "node:crypto";
import { compareVersions, type Packet } from "../model/packet.ts";
import type { Shadow } from "../model/shadow.ts";
import { canonicalJson } from "../values/canonical-json.ts";
import { keyedHash } from "../values/ids.ts";
import type { JsonObject } from "../values/json.ts";

export const emptyShadow: Shadow = { fields: {} };

/** What a shadow's hashes are made with. */
export interface ShadowKey {
  readonly bridgeKey: KeyObject;
  /** Goes up when all that is believed of a connector's target is forgotten: no hash made before is found again. */
  readonly epoch: number;
}

/** What is left to send once it is known what the target holds. */
export type Reconciled =
  | { readonly kind: "send"; readonly fields: JsonObject }
  | { readonly kind: "SUPERSEDED" | "UNCHANGED" };

/**
 * Drops what the target already has: fields for which it holds a newer version (last writer wins, a field at a time),
 * and fields with the same value.
 *
 * `send: full` is judged as one unit. A deletion is superseded by anything newer, and supersedes all that is older.
 */
export function reconcile(packet: Packet, shadow: Shadow, key: ShadowKey): Reconciled {
  const isNewer = (than: Shadow["deleted"]) => than !== undefined && compareVersions(than, packet.version) > 0;
  if (isNewer(shadow.deleted)) return { kind: "SUPERSEDED" };

  if (packet.action === "delete") {
    if (Object.values(shadow.fields).some((field) => isNewer(field.version))) return { kind: "SUPERSEDED" };
    const gone = shadow.deleted !== undefined && !shadow.inDoubt && Object.keys(shadow.fields).length === 0;
    return gone && !packet.force ? { kind: "UNCHANGED" } : { kind: "send", fields: packet.fields };
  }

  const hashes = hashesOf(packet, key);
  const fields: JsonObject = {};
  let older = 0;
  for (const [name, value] of Object.entries(packet.fields)) {
    const held = heldField(shadow, name);
    if (held && compareVersions(held.version, packet.version) > 0) older++;
    else if (packet.force || held?.hash !== hashes[name]) fields[name] = value;
  }
  if (packet.send === "full") {
    if (older > 0) return { kind: "SUPERSEDED" };
    return Object.keys(fields).length > 0 ? { kind: "send", fields: packet.fields } : { kind: "UNCHANGED" };
  }
  if (Object.keys(fields).length > 0) return { kind: "send", fields };
  return { kind: older > 0 ? "SUPERSEDED" : "UNCHANGED" };
}

/** Whether the target is believed to hold a packet's value of a field. */
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

/** The shadow once the target is known to hold the packet, or was found to hold it already. */
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
 * The shadow after a send that may or may not have landed: the hashes of what was sent are forgotten, so that a later
 * packet which would seem to change nothing is sent all the same. The versions are the packet's: should it have landed,
 * what is older must not follow it, and a repeat could not mend that, for the target would take no notice of one.
 */
export function afterDoubt(packet: Packet, shadow: Shadow, key: ShadowKey): Shadow {
  const { version } = packet;
  const isOlder = (than: Shadow["deleted"]) => than === undefined || compareVersions(than, version) <= 0;
  if (packet.action === "delete") {
    const fields = forgotten(shadow).fields;
    return isOlder(shadow.deleted) ? { fields, deleted: version, inDoubt: true } : { ...shadow, fields };
  }
  const fields = { ...shadow.fields };
  for (const [name, hash] of Object.entries(hashesOf(packet, key))) {
    const held = heldField(shadow, name);
    if (!isOlder(held?.version)) continue;
    // What stood there already was not sent, and stands there still.
    fields[name] = held?.hash === hash && !packet.force && packet.send === "changed" ? { version, hash } : { version };
  }
  return { ...shadow, fields };
}

/**
 * The shadow after a refusal. What was refused should not stand there, but that is only what the target says: the hashes
 * are forgotten. The versions stay: what is older than the refused packet may still go.
 */
export function afterRefusal(packet: Packet, shadow: Shadow): Shadow {
  if (packet.action === "delete") return forgotten(shadow);
  const fields = { ...shadow.fields };
  for (const name of Object.keys(packet.fields)) {
    // What was deleted may stand there again: with no field left in the shadow a later deletion would seem done.
    const version = heldField(shadow, name)?.version ?? shadow.deleted;
    if (version) fields[name] = { version };
  }
  return { ...shadow, fields };
}

/**
 * The shadow after a packet with nothing left to send: a field that holds its value already learns its version. The
 * same shadow where there is none.
 */
export function afterNothingSent(packet: Packet, shadow: Shadow, key: ShadowKey): Shadow {
  const learnt = Object.entries(hashesOf(packet, key)).flatMap(([name, hash]) => {
    const held = heldField(shadow, name);
    const isOlder = held && compareVersions(held.version, packet.version) < 0;
    return isOlder && held.hash === hash ? [[name, { ...held, version: packet.version }] as const] : [];
  });
  return learnt.length === 0 ? shadow : { ...shadow, fields: { ...shadow.fields, ...Object.fromEntries(learnt) } };
}

/** A field may be called `toString`: only what the shadow itself holds counts. */
function heldField(shadow: Shadow, name: string): Shadow["fields"][string] | undefined {
  return Object.hasOwn(shadow.fields, name) ? shadow.fields[name] : undefined;
}

/** The shadow of an entity whose record at the target may have been changed by others: every value is sent again. */
export function forgotten(shadow: Shadow): Shadow {
  const fields = Object.entries(shadow.fields).map(([name, { version }]) => [name, { version }] as const);
  return { ...shadow, fields: Object.fromEntries(fields), ...(shadow.deleted && { inDoubt: true }) };
}

/** The same packet is reconciled before it is sent and noted after: its values are hashed once. */
const hashed = new WeakMap<Packet, { readonly by: ShadowKey; readonly hashes: Readonly<Record<string, string>> }>();

/** A keyed hash of each field's value. */
function hashesOf(packet: Packet, key: ShadowKey): Readonly<Record<string, string>> {
  const known = hashed.get(packet);
  if (known?.by.bridgeKey === key.bridgeKey && known.by.epoch === key.epoch) return known.hashes;
  const epoch = key.epoch === 0 ? [] : [String(key.epoch)];
  const hashes = Object.fromEntries(
    Object.entries(packet.fields).map(([name, value]) => [
      name,
      keyedHash(key.bridgeKey, packet.shadow, name, canonicalJson(value), ...epoch),
    ]),
  );
  hashed.set(packet, { by: key, hashes });
  return hashes;
}
