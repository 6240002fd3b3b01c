// Reads shadows from the store and creates the puts that update them.
import type { Engine } from "../engine.ts";
import { afterSending } from "../model/lane.ts";
import type { Packet } from "../model/packet.ts";
import type { Shadow } from "../model/shadow.ts";
import { earlierShadowIdOf, shadowIdOf } from "../model/shadow-id.ts";
import type { Health } from "../model/target-health.ts";
import type { Put, Stored } from "../ports/store.ts";
import { recordKey } from "../values/record-key.ts";
import { healthOf } from "./circuit-breaker.ts";
import {
  afterDelivery,
  afterDoubt,
  afterNothingSent,
  afterRefusal,
  beliefAbout,
  emptyShadow,
  type ShadowKey,
} from "./shadow.ts";

/** An entity's stored shadow; undefined if none was written yet, or if the connector's order is `strict`. */
export type KnownShadow = Stored<"shadow"> | undefined;

/** A strict lane's stored progress; undefined if nothing was sent yet, or if the connector's order is `latest`. */
export type KnownLane = Stored<"lane"> | undefined;

/** State that a packet is reconciled against: of its record, or of its strict lane. */
export interface TargetState {
  readonly shadow: KnownShadow;
  readonly lane: KnownLane;
}

/** A packet as it was read, with the state it is reconciled against. */
export interface LoadedPacket extends TargetState {
  readonly stored: Stored<"packet">;
  readonly health: Health;
}

/**
 * Reads the state that a packet is reconciled against. If the key of its entity is not canonical, and there is no shadow
 * of the canonical key yet, the shadow is the one that an earlier release kept under the key as given. Its versions keep
 * older values from being sent.
 */
export async function readTargetState(engine: Engine, packet: Packet): Promise<TargetState> {
  const { store, catalog, bridgeKey } = engine;
  if (packet.order === "strict") return { shadow: undefined, lane: (await store.read("lane", [packet.lane]))[0] };
  const connector = catalog.get(packet.connector);
  const earlier = connector && earlierShadowIdOf(connector, packet.entity, bridgeKey);
  const ids = earlier === undefined ? [packet.shadow] : [packet.shadow, earlier];
  const [shadow, before] = await store.read("shadow", ids);
  return { shadow: shadow ?? (before && { value: before.value, etag: 0 }), lane: undefined };
}

/** Returns a packet with the shadow of its canonical key. Packets of earlier releases may name that of the given key. */
export function withCurrentShadow(engine: Engine, packet: Packet): Packet {
  const connector = recordKey(packet.entity) === packet.entity ? undefined : engine.catalog.get(packet.connector);
  return connector ? { ...packet, shadow: shadowIdOf(connector, packet.entity, engine.bridgeKey) } : packet;
}

/** Returns the key for the hashes in a connector's shadows. It changes when an operator forgets all of them. */
export function shadowKeyOf({ bridgeKey }: Engine, { shadowEpoch = 0 }: Health): ShadowKey {
  return { bridgeKey, epoch: shadowEpoch };
}

/** Returns a function that compares each of a packet's fields with the value the target is believed to hold. */
export async function heldAtTarget(
  engine: Engine,
  given: Packet,
): Promise<(field: string) => "this" | "another" | "unknown"> {
  const packet = withCurrentShadow(engine, given);
  const [{ shadow }, [health]] = await Promise.all([
    readTargetState(engine, packet),
    engine.store.read("health", [packet.connector]),
  ]);
  const key = shadowKeyOf(engine, health?.value ?? healthOf(engine.clock.now()));
  return (field) => (shadow ? beliefAbout(packet, field, shadow.value, key) : "unknown");
}

/** Action and place with which a packet was sent. */
export interface Sending {
  /** Action that was sent; see `Reconciliation`. */
  readonly action: Packet["action"];
  /** Names of the fields that were cleared, if a deletion cleared only what was older than itself. */
  readonly cleared?: readonly string[];
  /** Place in a strict lane at which it was sent, in the order of acceptance. */
  readonly place?: number;
}

/**
 * Returns the put that records a packet's values as held by the target, or that a strict lane has passed the packet.
 *
 * @param sending absent if nothing was sent
 */
export function putsAfterDelivery(
  engine: Engine,
  { stored, shadow, lane, health }: LoadedPacket,
  sending?: Sending,
): Put[] {
  const { packet } = stored.value;
  if (packet.order === "strict") {
    return sending?.place === undefined ? [] : [lanePut(packet, sending.place, lane)];
  }
  const after = afterDelivery(packet, shadow?.value ?? emptyShadow, shadowKeyOf(engine, health), sending?.action);
  return [shadowPut(packet, after, shadow)];
}

/** Returns the put that records the version of a packet with nothing left to send, if that changes the shadow. */
export function putsAfterNothingSent(engine: Engine, { stored, shadow, health }: LoadedPacket): Put[] {
  const { packet } = stored.value;
  const updated = shadow && afterNothingSent(packet, shadow.value, shadowKeyOf(engine, health));
  return updated && updated !== shadow.value ? [shadowPut(packet, updated, shadow)] : [];
}

/**
 * Returns the put that records that a packet may or may not have landed. In a strict lane, an older packet that arrives
 * later is then late.
 */
export function putsAfterDoubt(engine: Engine, { stored, shadow, lane, health }: LoadedPacket): Put[] {
  const { packet, progress } = stored.value;
  if (packet.order === "strict") return [lanePut(packet, progress.lease?.place ?? packet.version.accepted, lane)];
  return [shadowPut(packet, afterDoubt(packet, shadow?.value ?? emptyShadow, shadowKeyOf(engine, health)), shadow)];
}

/** Returns the put that records that the target refused a packet. */
export function putsAfterRefusal({ stored, shadow }: LoadedPacket): Put[] {
  const { packet } = stored.value;
  return shadow ? [shadowPut(packet, afterRefusal(packet, shadow.value), shadow)] : [];
}

function lanePut({ lane: id, version }: Packet, place: number, lane: LoadedPacket["lane"]): Put {
  return { kind: "lane", id, value: afterSending(version, place, lane?.value), etag: lane?.etag ?? 0 };
}

function shadowPut(packet: Packet, value: Shadow, shadow: KnownShadow): Put {
  return { kind: "shadow", id: packet.shadow, value, etag: shadow?.etag ?? 0 };
}
