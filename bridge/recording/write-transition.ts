import type { Engine } from "../engine.ts";
import { type Facts, isClosed, type Status } from "../model/ledger-entry.ts";
import { strictOrder } from "../model/packet.ts";
import type { PacketRecord, Progress } from "../model/packet-record.ts";
import type { Put, Stored } from "../ports/store.ts";
import { putOf, requeueTransition, sendUnsent } from "./enqueue.ts";
import { newPut } from "./transaction-size.ts";
import { type Transition, transitionPacket } from "./transitions.ts";

/**
 * Writes a packet's step. Where it closes the head of a strict lane, the next in that lane is put back in the same
 * transaction, so that no crash leaves a lane waiting for a bell that never rings.
 *
 * @param born a packet that is recorded in this one's place, and sent
 */
export async function writeTransition(
  engine: Engine,
  stored: Stored<"packet">,
  status: Status,
  facts: Facts,
  change: Partial<Progress>,
  also: readonly Put[] = [],
  born?: Transition,
): Promise<"done" | "conflict"> {
  const { packet } = stored.value;
  const next = transitionPacket(stored.value, engine.clock.now(), status, facts, change);
  const follower = isClosed(status) ? await nextInLane(engine, stored.value, born?.record) : undefined;
  const rung = follower && requeueTransition(engine, follower.value, `${packet.id} is closed`);
  const puts = [
    putOf(next, stored),
    ...also,
    ...(born ? [newPut(born)] : []),
    ...(rung ? [putOf(rung, follower)] : []),
  ];
  const entries = [next, born, rung].flatMap((step) => step?.entry ?? []);
  if ((await engine.store.write(puts, entries)) === "conflict") return "conflict";
  const unsent = [
    ...(born?.record.progress.unsent ? [{ value: born.record, etag: 1 }] : []),
    ...(rung ? [{ value: rung.record, etag: follower.etag + 1 }] : []),
  ];
  if (unsent.length > 0) await sendUnsent(engine, unsent);
  return "done";
}

/** The packet that becomes the head of a strict lane, if it has stepped aside and must be rung for. */
async function nextInLane(
  engine: Engine,
  { packet }: PacketRecord,
  born?: PacketRecord,
): Promise<Stored<"packet"> | undefined> {
  if (packet.order !== "strict") return undefined;
  const open = await engine.store.laneOpen(packet.lane, 2);
  const next = open.find(({ value }) => value.packet.id !== packet.id);
  if (next?.value.progress.place !== "behind") return undefined;
  // Of two at the same place in the lane the one that was recorded first goes first.
  const isHeadItself = born?.packet.lane === packet.lane && strictOrder(born.packet) < strictOrder(next.value.packet);
  return isHeadItself ? undefined : next;
}
