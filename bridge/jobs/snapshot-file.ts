import type { Engine } from "../engine.ts";
import type { ImportedEvent } from "../intake/accept.ts";
import { type Line, linesIn } from "../mapping/roster-file.ts";
import { checkEvent, eventKey, maxEventBytes, type SourceEvent } from "../model/event.ts";
import type { Malformed, Snapshot } from "../model/job.ts";
import type { Roster } from "../model/roster.ts";
import { canonicalJson } from "../values/canonical-json.ts";
import { shortId } from "../values/ids.ts";
import { isJsonObject, type JsonObject } from "../values/json.ts";

const malformedNamed = 20;

export function withMalformed(
  { lines, first }: Malformed = { lines: 0, first: [] },
  more: readonly string[],
): Malformed {
  return { lines: lines + more.length, first: [...first, ...more].slice(0, malformedNamed) };
}

/** One line of a snapshot, or one event of the store, and where one is behind it. */
export interface Entry {
  readonly cursor: string;
  readonly found?: Found | undefined;
  /** Reason for which a line is not an event. */
  readonly malformed?: string;
}

/** An event to be mapped. */
export interface Found {
  readonly key: string;
  readonly event: SourceEvent;
  readonly accepted: number;
  readonly rosters?: readonly Roster[] | undefined;
  /** It is not recorded yet, or not to its end. */
  readonly brought?: ImportedEvent;
}

/** Bytes of lines read between two checkpoints. */
const pageBytes = 4_194_304;

/**
 * Reads lines of a snapshot, as many as one page may have.
 *
 * @param job names the messages: a line brought by it before is recognised
 * @param isWanted events of other types are left out
 */
export async function readSnapshot(
  engine: Engine,
  { file, asOf }: Snapshot,
  { after = "0:0", limit, job }: { readonly after?: string | undefined; readonly limit: number; readonly job: string },
  isWanted: (event: SourceEvent) => boolean,
): Promise<{ readonly entries: readonly Entry[]; readonly end: boolean }> {
  const [first = 0, from = 0] = after.split(":").map(Number);
  const lines: Line[] = [];
  let end = true;
  for await (const line of linesIn(engine.files, file, { first, from, to: file.bytes }, maxEventBytes)) {
    if (lines.length < limit && line.at - from < pageBytes) lines.push(line);
    else {
      end = false;
      break;
    }
  }
  const entries = lines.map(async (line, i): Promise<Entry> => {
    const behind = lines[i + 1]?.at ?? line.at + line.length + 1;
    const cursor = `${line.number + 1}:${behind}`;
    const event = eventIn(line, asOf);
    if (typeof event === "string") return { cursor, malformed: `line ${line.number + 1}: ${event}` };
    if (!event || !isWanted(event)) return { cursor };
    return { cursor, found: await foundFor(engine, event, `${job}:${line.number}`) };
  });
  return { entries: withoutTwins(await Promise.all(entries)), end };
}

/** A line with the event of another line of the page gives nothing: its packets would be written twice at once. */
function withoutTwins(entries: readonly Entry[]): Entry[] {
  const seen = new Set<string>();
  return entries.map(({ found, ...entry }) => {
    if (!found || seen.has(found.key)) return entry;
    seen.add(found.key);
    return { ...entry, found };
  });
}

/** Finds a line's event in the store: published by HMS, imported by an earlier back-fill, or new. */
async function foundFor(engine: Engine, event: SourceEvent, message: string): Promise<Found | undefined> {
  const key = broughtKeyOf(event);
  const [published, before] = await engine.store.read("event", [eventKey(event), key]);
  const known = before ?? published;
  const brought = { key, event, message };
  if (!known) return { key, event, accepted: engine.clock.now() * 1_000, brought };
  if (!known.value.event) return undefined;
  const { event: recorded, accepted, rosters } = known.value;
  return {
    key: before ? key : eventKey(event),
    event: recorded as SourceEvent,
    accepted,
    rosters,
    // By this very line: the page is done again, and may have broken off at it.
    ...(before?.value.message === message && { brought }),
  };
}

/** Not the key HMS's own event would have: that one must not be taken for a duplicate when it comes. */
function broughtKeyOf({ source, id }: SourceEvent): string {
  return `evt-${shortId("brought", source, id)}`;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** @returns the event of a line, the reason for which it is not one, or nothing if the line is empty */
function eventIn({ bytes }: Line, asOf: string | undefined): SourceEvent | string | undefined {
  if (!bytes) return `is larger than ${maxEventBytes} bytes`;
  let raw: unknown;
  try {
    const text = utf8.decode(bytes);
    if (text.trim() === "") return undefined;
    raw = JSON.parse(text);
  } catch {
    return "is not JSON";
  }
  if (!isJsonObject(raw)) return "is not an object";
  const time = raw.time ?? asOf;
  if (time === undefined) return "time: is missing; add it, or say as of when the snapshot is";
  const arrival = checkEvent({ ...raw, id: raw.id ?? idOf(raw), time });
  return arrival.kind === "event" ? arrival.event : arrival.reason;
}

/** The same line again is the same event. */
function idOf(line: JsonObject): string {
  return `snapshot-${shortId(canonicalJson(line))}`;
}
