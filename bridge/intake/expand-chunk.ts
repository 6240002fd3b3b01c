import type { Engine } from "../engine.ts";
import { cutLines } from "../mapping/roster-file.ts";
import type { EventRecord } from "../model/event-record.ts";
import { FileError } from "../ports/files.ts";
import { maxMessages } from "../ports/queue.ts";
import type { Put, Stored } from "../ports/store.ts";
import { enqueuePackets, wakeLanesBehind } from "../recording/enqueue.ts";
import { transitionEvent } from "../recording/transitions.ts";
import { chunkIdOf, isUnsplit, parseChunkId } from "./chunk-id.ts";
import { expand } from "./expand.ts";
import { planAgain } from "./pinned-sheets.ts";
import type { Plan } from "./plan.ts";
import { recordPackets } from "./record-packets.ts";

/** Content of an inbox message that refers to a chunk of a large event. */
export interface Chunk {
  /** The event's key. */
  readonly event: string;
  readonly chunk: string;
}

const chunkMessage = /^\{"expand":"(evt-[a-z2-7]{16})","chunk":"(\d{1,4}\.\d{1,12}(?:\.\d{1,15}-(?:\d{1,15})?)?)"\}$/;

/** Returns the chunk that an inbox message refers to, or `undefined` if the message is an event. */
export function parseChunk(body: string): Chunk | undefined {
  if (body.length > 128) return undefined;
  const [, event, chunk] = chunkMessage.exec(body) ?? [];
  return event !== undefined && chunk !== undefined ? { event, chunk } : undefined;
}

function bodyOf({ event, chunk }: Chunk): string {
  return JSON.stringify({ expand: event, chunk });
}

/** Sends the remaining chunks of large events to the inbox. A chunk that arrives twice is expanded once. */
export async function enqueueChunks(
  engine: Engine,
  events: readonly { readonly key: string; readonly stored: Stored<"event"> }[],
): Promise<void> {
  await enqueue(
    engine,
    events.flatMap(({ key, stored }) => (stored.value.chunks ?? []).map((chunk) => ({ event: key, chunk }))),
  );
}

async function enqueue(engine: Engine, chunks: readonly Chunk[]): Promise<void> {
  const messages = chunks.map((chunk) => ({
    group: `${chunk.event} ${chunk.chunk}`,
    body: bodyOf(chunk),
    ordered: false as const,
  }));
  for (let i = 0; i < messages.length; i += maxMessages) {
    await engine.queue.send("inbox", messages.slice(i, i + maxMessages));
  }
}

/**
 * Expands one chunk of a large event: records and enqueues its packets, then removes the chunk from the event's list.
 * After the last chunk, the event becomes `EXPANDED`. A chunk that must be split first is replaced with its parts.
 */
export async function expandChunk(engine: Engine, { event: key, chunk }: Chunk): Promise<void> {
  const [stored] = await engine.store.read("event", [key]);
  if (!stored?.value.chunks?.includes(chunk)) return;
  const planned = await planAgain(engine, key, stored.value);
  const parts = isUnsplit(chunk) ? await splitChunk(engine, planned, chunk) : undefined;
  if (parts) return replaceChunk(engine, { key, chunk, parts, packets: 0 });
  const packets = await expand(engine, planned, { part: parseChunkId(chunk) });
  await enqueuePackets(engine, await recordPackets(engine, packets));
  await replaceChunk(engine, { key, chunk, parts: [], packets: packets.length });
}

/** @returns the ids of its parts, or `undefined` if the file cannot be read; expanding it then records a held packet */
async function splitChunk(engine: Engine, { rosters }: Plan, chunk: string): Promise<string[] | undefined> {
  const { match, first, from = 0 } = parseChunkId(chunk);
  const roster = rosters.find((one) => one.match === match);
  if (!roster || "fault" in roster) return undefined;
  try {
    const parts = await cutLines(engine.files, roster, { first, from });
    return parts.map((lines) => chunkIdOf({ match, ...lines }));
  } catch (error) {
    if (error instanceof FileError) return undefined;
    throw error;
  }
}

/** A chunk that was expanded or split into parts. */
interface FinishedChunk {
  readonly key: string;
  readonly chunk: string;
  readonly parts: readonly string[];
  /** Number of packets created from it. */
  readonly packets: number;
}

/**
 * Removes a chunk from an event's list and adds its parts. The rest of a file is split only after all earlier parts
 * are expanded, so the list stays short for a file of any size.
 */
async function replaceChunk(engine: Engine, { key, chunk, parts, packets }: FinishedChunk): Promise<void> {
  for (;;) {
    const [stored] = await engine.store.read("event", [key]);
    if (!stored?.value.chunks?.includes(chunk)) return;
    const remaining = [...stored.value.chunks.filter((other) => other !== chunk), ...parts];
    const counted = { ...stored.value, packets: stored.value.packets + packets };
    const done = remaining.length === 0 ? completeEvent(engine, key, counted) : undefined;
    const value = done?.value ?? { ...counted, chunks: remaining, chunksAt: engine.clock.now() };
    const put: Put = { kind: "event", id: key, value, etag: stored.etag };
    if ((await engine.store.write([put], done ? [done.entry] : [])) === "conflict") continue;
    if (done) {
      engine.log({ step: "expanded", event: key, packets: value.packets });
      await wakeLanesBehind(engine, key, value.reserves);
    }
    const next = remaining.every(isUnsplit) ? remaining : parts.filter((other) => !isUnsplit(other));
    return enqueue(
      engine,
      next.map((other) => ({ event: key, chunk: other })),
    );
  }
}

function completeEvent(engine: Engine, key: string, { chunks: _c, chunksAt: _a, unsent: _u, ...record }: EventRecord) {
  return transitionEvent(key, record, engine.clock.now(), {
    step: "EXPANDED",
    facts: { packets: record.packets },
  });
}
