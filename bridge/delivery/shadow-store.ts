import type { Engine } from "../engine.ts";
import type { Packet } from "../model/packet.ts";
import type { Shadow } from "../model/shadow.ts";
import type { Health } from "../model/target-health.ts";
import type { Put, Stored } from "../ports/store.ts";
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

/** What a shadow would hold, or nothing where none is kept or written. */
export type KnownShadow = Stored<"shadow"> | undefined;

export async function readShadow(engine: Engine, packet: Packet): Promise<KnownShadow> {
  return packet.order === "strict" ? undefined : (await engine.store.read("shadow", [packet.shadow]))[0];
}

/** What the hashes of a connector's shadows are made with just now. */
export function shadowKeyOf({ bridgeKey }: Engine, { shadowEpoch = 0 }: Health): ShadowKey {
  return { bridgeKey, epoch: shadowEpoch };
}

/** What a target is believed to hold in each of a packet's fields: its value, another, or nobody knows. */
export async function heldAtTarget(
  engine: Engine,
  packet: Packet,
): Promise<(field: string) => "this" | "another" | "unknown"> {
  const [shadow, [health]] = await Promise.all([
    readShadow(engine, packet),
    engine.store.read("health", [packet.connector]),
  ]);
  const key = shadowKeyOf(engine, health?.value ?? healthOf(engine.clock.now()));
  return (field) => (shadow ? beliefAbout(packet, field, shadow.value, key) : "unknown");
}

export function known(engine: Engine, packet: Packet, shadow: KnownShadow, health: Health): Put[] {
  if (packet.order === "strict") return [];
  return [shadowPut(packet, afterDelivery(packet, shadow?.value ?? emptyShadow, shadowKeyOf(engine, health)), shadow)];
}

export function superseded(engine: Engine, packet: Packet, shadow: KnownShadow, health: Health): Put[] {
  const learnt = shadow && afterNothingSent(packet, shadow.value, shadowKeyOf(engine, health));
  return learnt && learnt !== shadow.value ? [shadowPut(packet, learnt, shadow)] : [];
}

export function doubted(engine: Engine, packet: Packet, shadow: KnownShadow, health: Health): Put[] {
  if (packet.order === "strict") return [];
  return [shadowPut(packet, afterDoubt(packet, shadow?.value ?? emptyShadow, shadowKeyOf(engine, health)), shadow)];
}

export function refusedBy(packet: Packet, shadow: KnownShadow): Put[] {
  return shadow ? [shadowPut(packet, afterRefusal(packet, shadow.value), shadow)] : [];
}

function shadowPut(packet: Packet, value: Shadow, shadow: KnownShadow): Put {
  return { kind: "shadow", id: packet.shadow, value, etag: shadow?.etag ?? 0 };
}
