import type { Engine } from "../engine.ts";
import { cutLines } from "../mapping/roster-file.ts";
import type { EventRecord } from "../model/event-record.ts";
import { FileError } from "../ports/files.ts";
import { maxMessages } from "../ports/queue.ts";
import type { Put, Stored } from "../ports/store.ts";
import { enqueuePackets } from "../recording/enqueue.ts";
import { transitionEvent } from "../recording/transitions.ts";
import { isUncut, nameOf, partOf } from "./chunk-id.ts";
import { expand } from "./expand.ts";
import { planAgain } from "./pinned-sheets.ts";
import type { Plan } from "./plan.ts";
import { recordPackets } from "./record-packets.ts";

/** A part of a large event, as it comes back through the inbox. */
export interface Chunk {
  readonly event: string;
  readonly chunk: string;
}

const form = /^\{"expand":"(evt-[a-z2-7]{16})","chunk":"(\d{1,4}\.\d{1,12}(?:\.\d{1,15}-(?:\d{1,15})?)?)"\}$/;

/** The chunk a message of the inbox is, if it is one and no event. */
export function chunkIn(body: string): Chunk | undefined {
  if (body.length > 128) return undefined;
  const [, event, chunk] = form.exec(body) ?? [];
  return event !== undefined && chunk !== undefined ? { event, chunk } : undefined;
}

function bodyOf({ event, chunk }: Chunk): string {
  return JSON.stringify({ expand: event, chunk });
}

/** Puts the chunks of large events that are not expanded yet into the inbox. One that comes twice is expanded once. */
export async function sendChunks(
  engine: Engine,
  events: readonly { readonly key: string; readonly stored: Stored<"event"> }[],
): Promise<void> {
  await send(
    engine,
    events.flatMap(({ key, stored }) => (stored.value.chunks ?? []).map((chunk) => ({ event: key, chunk }))),
  );
}

async function send(engine: Engine, chunks: readonly Chunk[]): Promise<void> {
  const messages = chunks.map((chunk) => ({ group: `${chunk.event} ${chunk.chunk}`, body: bodyOf(chunk) }));
  for (let i = 0; i < messages.length; i += maxMessages) {
    await engine.queue.send("inbox", messages.slice(i, i + maxMessages));
  }
}

/**
 * Expands one chunk of a large event: its packets recorded and on their lanes, then the chunk struck off. With the last
 * of them the event is expanded. Of a file that is not cut into chunks yet, the first leg is cut.
 */
export async function expandChunk(engine: Engine, { event: key, chunk }: Chunk): Promise<void> {
  const [stored] = await engine.store.read("event", [key]);
  if (!stored?.value.chunks?.includes(chunk)) return;
  const planned = await planAgain(engine, key, stored.value);
  const cut = isUncut(chunk) ? await cutChunk(engine, planned, chunk) : undefined;
  if (cut) return strikeOff(engine, key, chunk, { instead: cut });
  const steps = await expand(engine, planned, { part: partOf(chunk) });
  await enqueuePackets(engine, await recordPackets(engine, steps));
  await strikeOff(engine, key, chunk, { packets: steps.length });
}

/** @returns the chunks it comes to; nothing where its file cannot be read, which is for its packets to say */
async function cutChunk(engine: Engine, { rosters }: Plan, chunk: string): Promise<string[] | undefined> {
  const { match, first, from = 0 } = partOf(chunk);
  const roster = rosters.find((one) => one.match === match);
  if (!roster || "fault" in roster) return undefined;
  try {
    const parts = await cutLines(engine.files, roster, { first, from });
    return parts.map((lines) => nameOf({ match, ...lines }));
  } catch (error) {
    if (error instanceof FileError) return undefined;
    throw error;
  }
}

/**
 * Takes a chunk from those that are left, and puts others in its stead. What is left to be cut of a file waits until
 * all that was cut is expanded, so that the list stays short however large the file is.
 */
async function strikeOff(
  engine: Engine,
  key: string,
  chunk: string,
  { packets = 0, instead = [] }: { readonly packets?: number; readonly instead?: readonly string[] },
): Promise<void> {
  for (;;) {
    const [stored] = await engine.store.read("event", [key]);
    if (!stored?.value.chunks?.includes(chunk)) return;
    const left = [...stored.value.chunks.filter((other) => other !== chunk), ...instead];
    const counted = { ...stored.value, packets: stored.value.packets + packets };
    const done = left.length === 0 ? expanded(engine, key, counted) : undefined;
    const value = done?.value ?? { ...counted, chunks: left, chunksAt: engine.clock.now() };
    const put: Put = { kind: "event", id: key, value, etag: stored.etag };
    if ((await engine.store.write([put], done ? [done.entry] : [])) === "conflict") continue;
    if (done) engine.log({ step: "expanded", event: key, packets: value.packets });
    const next = left.every(isUncut) ? left : instead.filter((other) => !isUncut(other));
    return send(
      engine,
      next.map((other) => ({ event: key, chunk: other })),
    );
  }
}

function expanded(engine: Engine, key: string, { chunks: _c, chunksAt: _a, unsent: _u, ...record }: EventRecord) {
  return transitionEvent(key, record, engine.clock.now(), "EXPANDED", { packets: record.packets });
}
