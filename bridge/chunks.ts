import { expand, plan } from "./expand.ts";
import { append, tailOf } from "./ledger.ts";
import { pinnedSheets } from "./pinned.ts";
import { type Engine, maxMessages, type Put, type Stored } from "./ports.ts";
import { putOnQueue } from "./queueing.ts";
import { recordPackets } from "./record.ts";
import type { EventRecord } from "./records.ts";

/** A part of a large event, as it comes back through the inbox. */
export interface Chunk {
  readonly event: string;
  readonly chunk: string;
}

const form = /^\{"expand":"(evt-[a-z2-7]{16})","chunk":"(\d{1,4}\.\d{1,9})"\}$/;

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
  const messages = events.flatMap(({ key, stored }) =>
    (stored.value.chunks ?? []).map((chunk) => ({ group: `${key} ${chunk}`, body: bodyOf({ event: key, chunk }) })),
  );
  for (let i = 0; i < messages.length; i += maxMessages) {
    await engine.queue.send("inbox", messages.slice(i, i + maxMessages));
  }
}

/**
 * Expands one chunk of a large event: its packets recorded and on their lanes, then the chunk struck off. With the last
 * of them the event is expanded.
 */
export async function expandChunk(engine: Engine, { event: key, chunk }: Chunk): Promise<void> {
  const [stored] = await engine.store.read("event", [key]);
  const { event, sheets, accepted, chunks } = stored?.value ?? {};
  if (!event || !sheets || accepted === undefined || !chunks?.includes(chunk)) return;
  const planned = await plan(key, event, await pinnedSheets(engine, sheets), accepted);
  const steps = await expand(engine, planned, { chunk });
  await putOnQueue(engine, await recordPackets(engine, steps));
  await strikeOff(engine, key, chunk, steps.length);
}

async function strikeOff(engine: Engine, key: string, chunk: string, packets: number): Promise<void> {
  for (;;) {
    const [stored] = await engine.store.read("event", [key]);
    if (!stored?.value.chunks?.includes(chunk)) return;
    const left = stored.value.chunks.filter((other) => other !== chunk);
    const counted = { ...stored.value, packets: stored.value.packets + packets };
    const done = left.length === 0 ? expanded(engine, key, counted) : undefined;
    const value = done?.value ?? { ...counted, chunks: left, chunksAt: engine.clock.now() };
    const put: Put = { kind: "event", id: key, value, etag: stored.etag };
    if ((await engine.store.write([put], done ? [done.entry] : [])) === "conflict") continue;
    if (done) engine.log({ step: "expanded", event: key, packets: value.packets });
    return;
  }
}

function expanded(engine: Engine, key: string, { chunks: _c, chunksAt: _a, unsent: _u, ...record }: EventRecord) {
  const facts = { packets: record.packets };
  const last = { tail: record.tail, step: record.step };
  const entry = append(key, last, { at: engine.clock.now(), step: "EXPANDED", facts });
  return { value: { ...record, status: "EXPANDED" as const, step: entry.step, tail: tailOf(entry) }, entry };
}
