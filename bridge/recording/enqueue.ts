// Enqueues recorded packets, and events. A packet is always written to the table first.
import type { Engine } from "../engine.ts";
import { eventKey, type SourceEvent } from "../model/event.ts";
import { headOf, placesRead } from "../model/lane.ts";
import type { Facts } from "../model/ledger-entry.ts";
import type { PacketRecord } from "../model/packet-record.ts";
import { maxCallBytes, maxMessages, type NewMessage, type QueueName, type QueuePort } from "../ports/queue.ts";
import type { Put, Stored } from "../ports/store.ts";
import { bodyText } from "../values/json.ts";
import { pagesOf } from "../values/pagination.ts";
import { inWrites, weigh } from "./transaction-size.ts";
import { type Transition, transitionPacket } from "./transitions.ts";

/** Sends packets to their lane queues. Safe to repeat within 5 min, because the deduplication ids are the same. */
export async function enqueuePackets(engine: Engine, records: readonly PacketRecord[]): Promise<void> {
  const queues = new Map<QueueName, NewMessage[]>();
  for (const record of records) {
    if (record.progress.status === "HELD") continue;
    const name: QueueName = `lane:${record.packet.connector}`;
    const messages = queues.get(name);
    if (messages) messages.push(messageOf(record));
    else queues.set(name, [messageOf(record)]);
  }
  await Promise.all(
    [...queues].map(async ([name, messages]) => {
      for (const batch of inBatches(messages)) await engine.queue.send(name, batch);
    }),
  );
}

/**
 * Sends events to the inbox. The copies of one event form a group, so that the embedded queue delivers the first copy
 * first, and the event's place in the order of acceptance is that of the first.
 */
export async function enqueueEvents(queue: QueuePort, events: readonly SourceEvent[]): Promise<void> {
  const messages = events.map((event) => ({ group: eventKey(event), body: JSON.stringify(event) }));
  for (const batch of inBatches(messages)) await queue.send("inbox", batch);
}

/** Splits messages, in order, into as few batches as the queue accepts. */
function inBatches(messages: readonly NewMessage[]): NewMessage[][] {
  const batches: NewMessage[][] = [];
  let bytesLeft = 0;
  for (const message of messages) {
    // A UTF-16 unit is at most 3 bytes of UTF-8. Almost every body is short enough for this upper bound.
    const upperBound = message.body.length * 3;
    const bytes = upperBound <= maxCallBytes / maxMessages ? upperBound : Buffer.byteLength(message.body);
    const batch = batches.at(-1);
    if (batch && batch.length < maxMessages && bytes <= bytesLeft) {
      batch.push(message);
      bytesLeft -= bytes;
    } else {
      batches.push([message]);
      bytesLeft = maxCallBytes - bytes;
    }
  }
  return batches;
}

/**
 * Returns a packet's queue message. It contains the vetted packet, so that an outbox can be read, but the table's copy
 * is authoritative.
 */
export function messageOf({ packet, progress }: PacketRecord): NewMessage {
  return { group: packet.lane, dedup: `${packet.id}.${progress.puts}`, body: bodyText(packet) };
}

/**
 * Creates the transition that returns an open packet to its lane queue under a new deduplication id.
 *
 * The packet is flagged as unsent, so the watchdog finds it if the process ends before the message is on the queue.
 */
export function requeueTransition(engine: Engine, record: PacketRecord, why: string, facts: Facts = {}): Transition {
  const now = engine.clock.now();
  const { puts, lease } = record.progress;
  return transitionPacket(record, now, {
    status: "QUEUED",
    facts: { place: "lane", why, ...facts },
    // A lease that was never released is kept, because it means that an attempt may have begun.
    progress: { place: "lane", puts: puts + 1, putAt: now, unsent: true, ...(lease && { lease }) },
  });
}

/**
 * Returns an open packet to its lane queue. Does nothing if another process has changed the packet since it was read.
 */
export async function requeue(engine: Engine, stored: Stored<"packet">, why: string): Promise<void> {
  const next = requeueTransition(engine, stored.value, why);
  if ((await engine.store.write([putOf(next, stored)], [next.entry])) === "conflict") return;
  await sendUnsent(engine, [{ value: next.record, etag: stored.etag + 1 }]);
}

/**
 * Sends the packets that are flagged as unsent and clears the flag. Safe to repeat, because the deduplication ids are
 * the same.
 */
export async function sendUnsent(engine: Engine, packets: readonly Stored<"packet">[]): Promise<void> {
  const unsent = packets.filter(({ value }) => value.progress.unsent);
  await enqueuePackets(
    engine,
    unsent.map(({ value }) => value),
  );
  for (const puts of inWrites(unsent.map(sentPut), (put) => weigh([put]))) {
    if ((await engine.store.write(puts)) === "written" || puts.length === 1) continue;
    // One by one: a packet that was changed meanwhile has had its flag cleared by that change.
    await Promise.all(puts.map((put) => engine.store.write([put])));
  }
}

function sentPut({ value, etag }: Stored<"packet">): Put {
  const { unsent: _, ...progress } = value.progress;
  return { kind: "packet", id: value.packet.id, value: { ...value, progress }, etag };
}

/** Requeues the oldest open packet of a strict lane if it was waiting behind another and therefore has no message. */
export async function wakeLaneHead(engine: Engine, lane: string): Promise<void> {
  const head = headOf(await engine.store.lanePlaces(lane, placesRead));
  const [stored] = head ? await engine.store.read("packet", [head.id]) : [];
  if (stored?.value.progress.place === "behind") await requeue(engine, stored, "it is now the head of its lane");
}

/**
 * Requeues the packets that waited for an event to be expanded, as far as they are the heads of their lanes.
 *
 * @param connectors connectors for which the event had reserved places
 */
export async function wakeLanesBehind(
  engine: Engine,
  event: string,
  connectors: readonly string[] = [],
): Promise<void> {
  const before = engine.clock.now() + 1;
  for (const connector of connectors) {
    const lanes = new Set<string>();
    const waiting = pagesOf((from) => engine.store.waiting(connector, { before, limit: waitingPage, ...from }));
    for await (const { items } of waiting) {
      for (const { packet, progress } of items) if (progress.behind === event) lanes.add(packet.lane);
    }
    for (const lane of lanes) await wakeLaneHead(engine, lane);
  }
}

/** Packets that are read at once to find those behind an event. */
const waitingPage = 200;

/** Returns the put that replaces the record that was read with a transition's record. */
export function putOf({ record }: Transition, stored: Stored<"packet">): Put {
  return { kind: "packet", id: record.packet.id, value: record, etag: stored.etag };
}
