// Decides if a packet of a strict connector may be sent now.
import type { Engine } from "../engine.ts";
import type { Connector } from "../model/connector.ts";
import { headOf, isLate, type LanePlace, placesRead } from "../model/lane.ts";
import type { Packet } from "../model/packet.ts";
import type { Reservation, Stored } from "../ports/store.ts";
import { wakeLaneHead } from "../recording/enqueue.ts";
import { writeTransition } from "../recording/write-transition.ts";
import { isAhead } from "../values/stored-time.ts";
import { conflict, delayFor, done, type PacketResult } from "./packet-result.ts";
import { holdUnsent } from "./settle.ts";
import type { LoadedPacket } from "./shadow-store.ts";

/** Events whose packets for a connector may not be recorded yet. */
export interface EarlierEvents {
  /** All events accepted before this position have been processed. Undefined if the inbox cannot tell, as on AWS. */
  readonly processedUpTo: number | undefined;
  /** The earliest accepted event that is not fully expanded. */
  readonly reservation: Reservation | undefined;
}

/** Delay before a packet is tried again that waits for the inbox, in ms. It doubles with each receive. */
const firstWaitMs = 10;
const longestWaitMs = 1_000;

/** Number of receives after which a packet waits for the watchdog, so that its queue does not give up on it. */
const maxWaits = 20;

/** @param connector the connector's id */
export async function readEarlierEvents({ queue, store }: Engine, connector: string): Promise<EarlierEvents> {
  // In this order: an event that leaves the inbox has made its reservation.
  const processedUpTo = await queue.processedUpTo();
  return { processedUpTo, reservation: await store.reservation(connector) };
}

interface TurnRequest {
  readonly connector: Connector;
  readonly loaded: LoadedPacket;
  readonly earlier: EarlierEvents | undefined;
  readonly receiveCount: number;
}

/** The place at which a packet is sent, or the result of a packet that may not be sent now. */
type Turn = { readonly kind: "turn"; readonly place: number } | PacketResult;

/**
 * Returns a packet's turn in its strict lane. A packet waits for every event accepted before it that may still create
 * packets for the connector, and for the head of its lane. A packet that was overtaken is held, or sent with an alert if
 * its connector says so.
 */
export async function awaitTurn(
  engine: Engine,
  { connector, loaded, earlier, receiveCount }: TurnRequest,
): Promise<Turn> {
  const { stored } = loaded;
  const { packet, progress } = stored.value;
  const { accepted } = packet.version;
  // An attempt that was interrupted had its turn, and may have reached the target.
  if (progress.lease) return { kind: "turn", place: progress.lease.place ?? accepted };
  if (isOvertaken(loaded)) {
    if (connector.late !== "send") return holdUnsent(engine, loaded, { code: "late", reason: lateReason });
    if (progress.tries === 0) engine.log({ step: "sent-late", packet: packet.id, connector: packet.connector });
  }
  const wait = earlier && (await waitForInbox(engine, stored, earlier, receiveCount));
  if (wait) return wait;
  const { reservation } = earlier ?? {};
  if (reservation && reservation.accepted < accepted) return waitForEvent(engine, stored, reservation.event);
  const places = await engine.store.lanePlaces(packet.lane, placesRead);
  const head = headOf(places);
  if (head && head.id !== packet.id) return waitBehind(engine, stored, head.id);
  const begun = await findBegun(engine, packet, places);
  return begun ? waitBehind(engine, stored, begun) : { kind: "turn", place: head?.accepted ?? accepted };
}

/**
 * Returns the packet, if any, of which the lane's head would take the place by its sequence, but of which an attempt has
 * begun. It stays before the head, which is then late.
 */
async function findBegun({ store }: Engine, head: Packet, places: readonly LanePlace[]): Promise<string | undefined> {
  const passed = places.filter(({ id, accepted }) => id !== head.id && accepted < head.version.accepted);
  const sequenced = passed.filter(({ source, sequence }) => source === head.version.source && sequence !== undefined);
  if (sequenced.length === 0) return undefined;
  const packets = await store.read(
    "packet",
    sequenced.map(({ id }) => id),
  );
  return packets.find((stored) => stored?.value.progress.lease)?.value.packet.id;
}

const lateReason =
  "a newer change of this lane was sent before this one arrived; release it to send it now, or discard it";

/** A packet that a person or a job asked for is not late. */
function isOvertaken({ stored, lane }: LoadedPacket): boolean {
  const { replayOf, replaces, job, version } = stored.value.packet;
  return lane !== undefined && !replayOf && !replaces && !job && isLate(version, lane.value);
}

/**
 * Lets a packet wait until all events accepted before its own have been processed. An inbox that cannot tell has processed
 * them, in all likelihood, `strictSettleMs` after the packet was recorded.
 *
 * The time of recording is used, and not of acceptance, because it is from a clock like the one it is compared with.
 *
 * @returns `undefined` if the packet need not wait
 */
async function waitForInbox(
  engine: Engine,
  stored: Stored<"packet">,
  { processedUpTo }: EarlierEvents,
  receiveCount: number,
): Promise<PacketResult | undefined> {
  const { clock, times } = engine;
  const { packet, recordedAt } = stored.value;
  if (processedUpTo === undefined) {
    const now = clock.now();
    const settledAt = recordedAt + times.strictSettleMs;
    return isAhead(settledAt, now, times.strictSettleMs) ? delayFor(settledAt - now) : undefined;
  }
  if (packet.version.accepted <= processedUpTo) return undefined;
  if (receiveCount <= maxWaits) return delayFor(Math.min(longestWaitMs, firstWaitMs * 2 ** (receiveCount - 1)));
  // The watchdog wakes the lane later.
  return wait(engine, stored, "inbox", "behind an earlier event, which is still in the inbox");
}

async function waitForEvent(engine: Engine, stored: Stored<"packet">, event: string): Promise<PacketResult> {
  const result = await wait(engine, stored, event, `behind ${event}, which is not fully expanded yet`);
  // The event may have been expanded, and found nothing to requeue, just before this was written.
  const reservation = await engine.store.reservation(stored.value.packet.connector);
  if (reservation?.event !== event) await wakeLaneHead(engine, stored.value.packet.lane);
  return result;
}

async function waitBehind(engine: Engine, stored: Stored<"packet">, head: string): Promise<PacketResult> {
  const result = await wait(engine, stored, head, `behind ${head}`);
  // The head may have closed, and found nothing to requeue, just before this was written.
  if (result.kind === "done") await wakeLaneHead(engine, stored.value.packet.lane);
  return result;
}

/** Records that a packet has no message and waits for something else in its lane. */
async function wait(engine: Engine, stored: Stored<"packet">, behind: string, reason: string): Promise<PacketResult> {
  const written = await writeTransition(engine, stored, {
    status: "QUEUED",
    facts: { place: "behind", head: behind },
    progress: { place: "behind", behind, reason },
  });
  return written === "conflict" ? conflict : done;
}
