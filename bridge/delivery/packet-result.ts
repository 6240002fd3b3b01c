/**
 * Result of processing one packet: `done` (acknowledge the message), `parked` (moved to the outbox; acknowledge),
 * `delay` (the lane is retried after `ms`), or `conflict` (the packet was changed since it was read; reload and retry).
 */
export type PacketResult =
  | { readonly kind: "done" }
  | { readonly kind: "parked" }
  | { readonly kind: "conflict" }
  | { readonly kind: "delay"; readonly ms: number };

// Shared constants, so that no object is allocated per packet.
export const done: PacketResult & { kind: "done" } = Object.freeze({ kind: "done" });
export const parked: PacketResult & { kind: "parked" } = Object.freeze({ kind: "parked" });
export const conflict: PacketResult & { kind: "conflict" } = Object.freeze({ kind: "conflict" });

/** Returns the result that keeps a lane waiting for `ms`. */
export function delayFor(ms: number): PacketResult & { kind: "delay" } {
  return { kind: "delay", ms };
}
