import type { Engine } from "../engine.ts";
import type { Facts } from "../model/ledger-entry.ts";
import { type Packet, replacementOf } from "../model/packet.ts";
import type { Stored } from "../ports/store.ts";
import { logHeld, type Transition } from "./transitions.ts";
import { writeTransition } from "./write-transition.ts";

/** Result of an operation on one packet. */
export type ReplaceResult =
  | {
      readonly kind: "done";
      /** The packet after the operation, or its replacement. */
      readonly packet: Stored<"packet">;
    }
  /** There is no such packet. */
  | { readonly kind: "missing" }
  /** Another process changed the packet first; `now` is its current record. */
  | { readonly kind: "moved"; readonly now: Stored<"packet"> };

/** A packet's replacement. */
export interface PacketReplacement {
  /** Content of the replacement; it gets its own id and revision. */
  readonly shape: Packet;
  /** Facts for the last entry of the replaced packet's chain, such as the reason. */
  readonly act: Facts;
  readonly job: string | undefined;
  /** Creates the replacement's first record once its revision is known. */
  readonly createRecord: (replacement: Packet) => Transition;
}

/**
 * Replaces a packet: the old one closes as `SUPERSEDED` in the transaction that records the new one.
 *
 * After a crash, either both have happened or neither. If two processes replace the same packet at once, only one of
 * them succeeds.
 */
export async function replacePacket(
  engine: Engine,
  parent: Stored<"packet">,
  { shape, act, job, createRecord }: PacketReplacement,
): Promise<ReplaceResult> {
  const { packet } = parent.value;
  for (let revision = packet.version.revision + 1; ; revision++) {
    const child = replacementOf(packet, shape, revision, job);
    const replacement = createRecord(child);
    const reason = `${child.id} took its place`;
    const written = await writeTransition(engine, parent, {
      status: "SUPERSEDED",
      facts: { ...act, reason },
      progress: { reason, replacedBy: child.id },
      replacement,
    });
    if (written === "written") {
      engine.log({ step: "replaced", packet: packet.id, connector: packet.connector, by: child.id });
      logHeld(engine, [replacement]);
      return doneWith(engine, child.id);
    }
    const [current, existing] = await engine.store.read("packet", [packet.id, child.id]);
    if (current?.etag !== parent.etag) return current ? { kind: "moved", now: current } : { kind: "missing" };
    // Neither record has changed, so the conflict was with a write in progress: the same revision is tried again.
    if (!existing) revision--;
  }
}

/** Returns a `done` result with the packet as it is stored now. */
export async function doneWith(engine: Engine, id: string): Promise<ReplaceResult> {
  const [packet] = await engine.store.read("packet", [id]);
  return packet ? { kind: "done", packet } : { kind: "missing" };
}
