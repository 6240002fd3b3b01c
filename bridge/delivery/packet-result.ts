/**
 * Result of processing one packet: `done` (acknowledge the message), `parked` (moved to the outbox; acknowledge),
 * `delay` (the lane is tried again in `ms`), or `conflict` (the packet was changed since it was read; reload and
 * retry).
 */
export type PacketResult =
  | { readonly kind: "done" }
  | { readonly kind: "parked" }
  | { readonly kind: "conflict" }
  | { readonly kind: "delay"; readonly ms: number };

// Shared constants: thousands of packets a second need no object each.
export const done: PacketResult & { kind: "done" } = Object.freeze({ kind: "done" });
export const parked: PacketResult & { kind: "parked" } = Object.freeze({ kind: "parked" });
export const conflict: PacketResult & { kind: "conflict" } = Object.freeze({ kind: "conflict" });

/** Returns the result that keeps a lane waiting for `ms`. */
export function delayFor(ms: number): PacketResult & { kind: "delay" } {
  return { kind: "delay", ms };
}
