import type { Engine } from "../engine.ts";
import type { ImportedEvent } from "../intake/accept.ts";
import { type Line, linesIn } from "../mapping/roster-file.ts";
import { type Acceptance, acceptanceAt, acceptanceOf } from "../model/acceptance.ts";
import { checkEvent, eventDigest, eventKey, isSameContent, maxEventBytes, type SourceEvent } from "../model/event.ts";
import type { Malformed, Snapshot } from "../model/job.ts";
import type { Roster } from "../model/roster.ts";
import { canonicalJson } from "../values/canonical-json.ts";
import { shortId } from "../values/ids.ts";
import { isJsonObject, type JsonObject } from "../values/json.ts";

/** Maximum number of invalid lines that are listed with number and reason. Further ones are only counted. */
const malformedNamed = 20;

/** Adds invalid lines to the count so far. */
export function withMalformed(
  { lines, first }: Malformed = { lines: 0, first: [] },
  more: readonly string[],
): Malformed {
  return { lines: lines + more.length, first: [...first, ...more].slice(0, malformedNamed) };
}

/** One line of a snapshot or one event of the store, with the cursor after it. */
export interface Entry {
  readonly cursor: string;
  readonly found?: EventToMap | undefined;
  /** Reason the line is invalid. */
  readonly malformed?: string;
}

/** An event to be mapped. */
export interface EventToMap {
  readonly key: string;
  readonly event: SourceEvent;
  readonly acceptance: Acceptance;
  readonly rosters?: readonly Roster[] | undefined;
  /** Present if the event is not recorded yet, or not completely. */
  readonly toImport?: ImportedEvent;
}

/** Maximum bytes of lines read between two checkpoints. */
const pageBytes = 4_194_304;

/**
 * Reads one page of a snapshot.
 *
 * @param job job id, part of each line's message id, by which a line that this job imported before is recognized
 * @param isWanted selects the events; others are skipped
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
    const next = lines[i + 1]?.at ?? line.at + line.length + 1;
    const cursor = `${line.number + 1}:${next}`;
    const event = eventIn(line, asOf);
    if (typeof event === "string") return { cursor, malformed: `line ${line.number + 1}: ${event}` };
    if (!event || !isWanted(event)) return { cursor };
    const found = await foundFor(engine, event, `${job}:${line.number}`);
    return found === "reused" ? { cursor, malformed: `line ${line.number + 1}: ${reusedReason}` } : { cursor, found };
  });
  return { entries: withoutRepeats(await Promise.all(entries), lines), end };
}

const reusedReason = "its source and id are those of an earlier event with other content; give it an id of its own";

/** Drops an event that is already on the page, because its packets would be written twice in one transaction. */
function withoutRepeats(entries: readonly Entry[], lines: readonly Line[]): Entry[] {
  const seen = new Map<string, SourceEvent>();
  return entries.map(({ found, ...entry }, i) => {
    if (!found) return entry;
    const before = seen.get(found.key);
    if (before && !isSameContent(before, found.event)) {
      return { ...entry, malformed: `line ${(lines[i]?.number ?? 0) + 1}: ${reusedReason}` };
    }
    if (before) return entry;
    seen.set(found.key, found.event);
    return { ...entry, found };
  });
}

/**
 * Looks up a line's event in the store: published by HMS, imported before, or new. Returns `reused` if the recorded event
 * has other content.
 */
async function foundFor(
  engine: Engine,
  event: SourceEvent,
  message: string,
): Promise<EventToMap | "reused" | undefined> {
  const key = importedKeyOf(event);
  const [published, before] = await engine.store.read("event", [eventKey(event), key]);
  const known = before ?? published;
  const toImport = { key, event, message };
  if (!known) return { key, event, acceptance: acceptanceAt({ sentAt: engine.clock.now() }, key), toImport };
  const digest = known.value.digest ?? (known.value.event && eventDigest(known.value.event, engine.bridgeKey));
  if (digest !== undefined && digest !== eventDigest(event, engine.bridgeKey)) return "reused";
  if (!known.value.event) return undefined;
  const { event: recorded, rosters } = known.value;
  return {
    key: before ? key : eventKey(event),
    event: recorded as SourceEvent,
    acceptance: acceptanceOf(known.value),
    rosters,
    // Imported from this same line: the page is being repeated and may have been interrupted here.
    ...(before?.value.message === message && { toImport }),
  };
}

/** Derives a key other than that of HMS's own event, which must not count as a duplicate if it arrives later. */
function importedKeyOf({ source, id }: SourceEvent): string {
  return `evt-${shortId("brought", source, id)}`;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** @returns the event of a line, the reason the line is invalid, or `undefined` for an empty line */
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
  if (time === undefined) return "time: is missing; add it, or set the time of the snapshot";
  const checked = checkEvent({ ...raw, id: raw.id ?? idOf(raw), time });
  return checked.kind === "event" ? checked.event : checked.reason;
}

/** Derives an id from the content, so the same line is always the same event. */
function idOf(line: JsonObject): string {
  return `snapshot-${shortId(canonicalJson(line))}`;
}
