import type { Engine } from "../engine.ts";
import type { SourceEvent } from "../model/event.ts";
import type { Facts } from "../model/ledger-entry.ts";
import type { PacketRecord } from "../model/packet-record.ts";
import { maxCallBytes, maxMessages, type NewMessage, type QueueName, type QueuePort } from "../ports/queue.ts";
import type { Put, Stored } from "../ports/store.ts";
import { bodyText } from "../values/json.ts";
import { inWrites, weigh } from "./transaction-size.ts";
import { type Transition, transitionPacket } from "./transitions.ts";

/** Puts packets on their lane queues. Doing so twice within 5 min puts them there once. */
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
      for (const call of inCalls(messages)) await engine.queue.send(name, call);
    }),
  );
}

/** Puts events into the inbox. One record's keep their order; the rest of an inbox's order means nothing. */
export async function enqueueEvents(queue: QueuePort, events: readonly SourceEvent[]): Promise<void> {
  const messages = events.map((event) => ({
    group: `${event.source} ${event.type} ${event.subject ?? ""}`,
    body: JSON.stringify(event),
  }));
  for (const call of inCalls(messages)) await queue.send("inbox", call);
}

/** Splits messages, in their order, into as few calls as the queue takes. */
function inCalls(messages: readonly NewMessage[]): NewMessage[][] {
  const calls: NewMessage[][] = [];
  let room = 0;
  for (const message of messages) {
    // Nearly every body is so small that it need not be measured.
    const bytes = message.body.length * 3 <= maxCallBytes / maxMessages ? message.body.length * 3 : bytesIn(message);
    const call = calls.at(-1);
    if (call && call.length < maxMessages && bytes <= room) {
      call.push(message);
      room -= bytes;
    } else {
      calls.push([message]);
      room = maxCallBytes - bytes;
    }
  }
  return calls;
}

function bytesIn({ body }: NewMessage): number {
  return Buffer.byteLength(body);
}

/** The packet itself: vetted, so that an outbox can be read. The table's copy decides. */
export function messageOf({ packet, progress }: PacketRecord): NewMessage {
  return { group: packet.lane, dedup: `${packet.id}.${progress.puts}`, body: bodyText(packet) };
}

/**
 * The step that puts an open packet back on its lane queue, under a new deduplication id.
 *
 * It is written as unsent, so that the watchdog finds it should the process end before the queue has it.
 */
export function requeueTransition(engine: Engine, record: PacketRecord, why: string, more: Facts = {}): Transition {
  const now = engine.clock.now();
  const { puts, lease } = record.progress;
  // A lease nobody gave back still says that a try may have begun.
  const change = { place: "lane", puts: puts + 1, putAt: now, unsent: true, ...(lease && { lease }) } as const;
  return transitionPacket(record, now, "QUEUED", { place: "lane", why, ...more }, change);
}

/** Puts an open packet back on its lane queue. Where another process has moved it meanwhile, nothing happens. */
export async function requeue(engine: Engine, stored: Stored<"packet">, why: string): Promise<void> {
  const next = requeueTransition(engine, stored.value, why);
  if ((await engine.store.write([putOf(next, stored)], [next.entry])) === "conflict") return;
  await sendUnsent(engine, [{ value: next.record, etag: stored.etag + 1 }]);
}

/**
 * Sends those packets that are recorded as unsent, and takes the marks away. Safe to repeat: the ids are the same.
 */
export async function sendUnsent(engine: Engine, packets: readonly Stored<"packet">[]): Promise<void> {
  const unsent = packets.filter(({ value }) => value.progress.unsent);
  await enqueuePackets(
    engine,
    unsent.map(({ value }) => value),
  );
  for (const puts of inWrites(unsent.map(sentPut), (put) => weigh([put]))) {
    if ((await engine.store.write(puts)) === "written" || puts.length === 1) continue;
    // Where another was faster, the packet has been claimed, and with that the mark is gone.
    await Promise.all(puts.map((put) => engine.store.write([put])));
  }
}

function sentPut({ value, etag }: Stored<"packet">): Put {
  const { unsent: _, ...progress } = value.progress;
  return { kind: "packet", id: value.packet.id, value: { ...value, progress }, etag };
}

/** Puts the oldest open packet of a strict lane back on its queue, if it had stepped aside for another. */
export async function wakeLaneHead(engine: Engine, lane: string): Promise<void> {
  const [head] = await engine.store.laneOpen(lane, 1);
  if (head?.value.progress.place === "behind") await requeue(engine, head, "its turn has come");
}

export function putOf({ record }: Transition, stored: Stored<"packet">): Put {
  return { kind: "packet", id: record.packet.id, value: record, etag: stored.etag };
}
