import type { Engine } from "../engine.ts";
import type { Facts } from "../model/ledger-entry.ts";
import { type Packet, replacementOf } from "../model/packet.ts";
import type { Stored } from "../ports/store.ts";
import { logHeld, type Transition } from "./transitions.ts";
import { writeTransition } from "./write-transition.ts";

/** What writing about one packet came to. */
export type ReplaceResult =
  | {
      readonly kind: "done";
      /** The packet it was about, or the one that was put in its place. */
      readonly packet: Stored<"packet">;
    }
  /** There is no such packet. */
  | { readonly kind: "missing" }
  /** Somebody else was faster: this is how it stands now. */
  | { readonly kind: "moved"; readonly now: Stored<"packet"> };

/** What is to be sent in the place of another packet. */
interface PacketReplacement {
  readonly shape: Packet;
  /** Why: for the end of the other's chain. */
  readonly act: Facts;
  readonly job: string | undefined;
  /** Its first step, once its revision is known. */
  readonly begun: (child: Packet) => Transition;
}

/**
 * Puts a packet in the place of another: the other closes `SUPERSEDED` in the same transaction in which the new one is
 * recorded, so that a crash leaves either the one or the other, and of two who do so at once one wins.
 */
export async function replacePacket(
  engine: Engine,
  parent: Stored<"packet">,
  { shape, act, job, begun }: PacketReplacement,
): Promise<ReplaceResult> {
  const { packet } = parent.value;
  for (let revision = packet.version.revision + 1; ; revision++) {
    const child = replacementOf(packet, shape, revision, job);
    const born = begun(child);
    const reason = `${child.id} took its place`;
    const change = { reason, replacedBy: child.id };
    const written = await writeTransition(engine, parent, "SUPERSEDED", { ...act, reason }, change, [], born);
    if (written === "done") {
      engine.log({ step: "replaced", packet: packet.id, connector: packet.connector, by: child.id });
      logHeld(engine, [born]);
      return doneWith(engine, child.id);
    }
    const [current, there] = await engine.store.read("packet", [packet.id, child.id]);
    if (current?.etag !== parent.etag) return current ? { kind: "moved", now: current } : { kind: "missing" };
    // In the way of another write just now, and still free.
    if (!there) revision--;
  }
}

/** What was done, with what it left. */
export async function doneWith(engine: Engine, id: string): Promise<ReplaceResult> {
  const [packet] = await engine.store.read("packet", [id]);
  return packet ? { kind: "done", packet } : { kind: "missing" };
}
