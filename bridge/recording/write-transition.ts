import type { Engine } from "../engine.ts";
import { headOf, placeOf, placesRead } from "../model/lane.ts";
import { isClosed } from "../model/ledger-entry.ts";
import type { PacketRecord } from "../model/packet-record.ts";
import type { Put, Stored } from "../ports/store.ts";
import { putOf, requeueTransition, sendUnsent } from "./enqueue.ts";
import { newPut } from "./transaction-size.ts";
import { type PacketChange, type Transition, transitionPacket } from "./transitions.ts";

/** A packet's next status, and everything written in the same transaction. */
export interface TransitionWrite extends PacketChange {
  readonly puts?: readonly Put[];
  /** New packet that replaces this one. It is recorded in the same transaction and then enqueued. */
  readonly replacement?: Transition;
}

/**
 * Writes a packet's transition.
 *
 * If this closes the head of a strict lane, or takes it out of the lane, the next packet is requeued in the same transaction, so a crash cannot
 * leave the lane stalled.
 *
 * @returns `conflict` if the packet was changed since it was read; nothing was written then
 */
export async function writeTransition(
  engine: Engine,
  stored: Stored<"packet">,
  change: TransitionWrite,
): Promise<"written" | "conflict"> {
  const { puts: otherPuts = [], replacement } = change;
  const { packet } = stored.value;
  const next = transitionPacket(stored.value, engine.clock.now(), change);
  const leavesLane = isClosed(change.status) || change.progress?.late === true;
  const follower = leavesLane ? await nextInLane(engine, stored.value, replacement?.record) : undefined;
  const requeued = follower && requeueTransition(engine, follower.value, `${packet.id} is closed`);
  const puts = [
    putOf(next, stored),
    ...otherPuts,
    ...(replacement ? [newPut(replacement)] : []),
    ...(requeued ? [putOf(requeued, follower)] : []),
  ];
  const entries = [next, replacement, requeued].flatMap((transition) => transition?.entry ?? []);
  if ((await engine.store.write(puts, entries)) === "conflict") return "conflict";
  const unsent = [
    ...(replacement?.record.progress.unsent ? [{ value: replacement.record, etag: 1 }] : []),
    ...(requeued ? [{ value: requeued.record, etag: follower.etag + 1 }] : []),
  ];
  if (unsent.length > 0) await sendUnsent(engine, unsent);
  return "written";
}

/** Finds the packet that becomes the head of a strict lane if it waits behind the closing one and has no message. */
async function nextInLane(
  engine: Engine,
  { packet: closing }: PacketRecord,
  replacement?: PacketRecord,
): Promise<Stored<"packet"> | undefined> {
  if (closing.order !== "strict") return undefined;
  const places = (await engine.store.lanePlaces(closing.lane, placesRead)).filter(({ id }) => id !== closing.id);
  const added = replacement?.packet.lane === closing.lane ? placeOf(replacement.packet) : undefined;
  // Of two packets with the same place in the lane, the one recorded first goes first.
  const before = places.filter(({ accepted }) => added === undefined || accepted <= added.accepted).length;
  const head = headOf(added ? places.toSpliced(before, 0, added) : places);
  if (!head || head.id === added?.id) return undefined;
  const [next] = await engine.store.read("packet", [head.id]);
  return next?.value.progress.place === "behind" ? next : undefined;
}
