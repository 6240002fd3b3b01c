import type { Engine } from "../engine.ts";
import { ComplianceUnavailableError } from "../governance/compliance-engine.ts";
import { type Arrival, acceptanceAt, acceptanceOf } from "../model/acceptance.ts";
import { eventDigest, eventKey, parseEvent, quarantineKey, type SourceEvent } from "../model/event.ts";
import type { EventRecord } from "../model/event-record.ts";
import type { PacketRecord } from "../model/packet-record.ts";
import { errorName } from "../observability/log.ts";
import { redactName } from "../pii/redact.ts";
import { ack, delay, type MessageDisposition } from "../ports/message-result.ts";
import { type Message, maxReceives } from "../ports/queue.ts";
import type { Put, Stored } from "../ports/store.ts";
import { enqueuePackets, wakeLanesBehind } from "../recording/enqueue.ts";
import { inWrites, maxChanges } from "../recording/transaction-size.ts";
import { logHeld, transitionEvent } from "../recording/transitions.ts";
import { InvariantError } from "../values/bridge-error.ts";
import { pagesOf } from "../values/pagination.ts";
import { clockErrorMs, isAhead, isPast } from "../values/stored-time.ts";
import { convert } from "./convert-inbound.ts";
import { type IncomingEvent, maxRawLength, type PlannedEventWrite, planEventWrite, planReuse } from "./event-draft.ts";
import { expand } from "./expand.ts";
import { type Chunk, enqueueChunks, expandChunk, parseChunk } from "./expand-chunk.ts";
import { planAgain } from "./pinned-sheets.ts";
import { recordPackets } from "./record-packets.ts";

/** Message ids kept per event to recognize redeliveries of its duplicates. */
const maxRepeats = 50;

type InboxMessage = Omit<Message, "group">;

/** An event that a job imports for chosen targets only. */
export interface ImportedEvent {
  readonly key: string;
  readonly event: SourceEvent;
  /** Message id. It stays the same if the event is imported again. */
  readonly message: string;
}

/** An event whose packets are all recorded, with those packets and HMS events that may not be enqueued yet. */
interface RecordedEvent {
  readonly key: string;
  readonly stored: Stored<"event">;
  readonly packets: readonly PacketRecord[];
  readonly converted: readonly SourceEvent[];
}

/**
 * Processes inbox messages: records each event's packets and enqueues them on their lanes.
 *
 * Each event becomes one record (expanded, unmatched or quarantined) or is counted as a duplicate of one. Processing a
 * message twice changes nothing, so after a crash at any point its redelivery completes the work. A large event is sent
 * back to the inbox in chunks.
 *
 * @returns one disposition per message: `ack`, or `delay` if the message must be retried
 */
export async function accept(engine: Engine, messages: readonly InboxMessage[]): Promise<MessageDisposition[]> {
  const chunks: { readonly message: InboxMessage; readonly chunk: Chunk }[] = [];
  const waiting: { readonly message: InboxMessage; readonly key: string }[] = [];
  const events: InboxMessage[] = [];
  for (const message of messages) {
    const chunk = parseChunk(message.body);
    const [, key] = resumeMessage.exec(message.body) ?? [];
    if (chunk) chunks.push({ message, chunk });
    else if (key !== undefined) waiting.push({ message, key });
    else events.push(message);
  }
  const dispositions = await acceptEvents(engine, events);
  for (const { message, chunk } of chunks) {
    dispositions.push(await attemptMessage(engine, message, chunk.event, () => expandChunk(engine, chunk)));
  }
  for (const { message, key } of waiting) {
    dispositions.push(await attemptMessage(engine, message, key, () => resumeIfUnsent(engine, key)));
  }
  return dispositions;
}

/** Message that takes the place of a recorded event's message while the event waits for the compliance engine. */
const resumeMessage = /^\{"resume":"(evt-[a-z2-7]{16})"\}$/;

async function enqueueResume({ queue }: Engine, key: string): Promise<void> {
  await queue.send("inbox", [{ group: key, body: JSON.stringify({ resume: key }), ordered: false }]);
}

async function attemptMessage(
  engine: Engine,
  message: InboxMessage,
  event: string,
  work: () => Promise<void>,
): Promise<MessageDisposition> {
  try {
    await work();
    return ack(message.receipt);
  } catch (error) {
    logFailure(engine, error, event);
    return retryLater(engine, message, error);
  }
}

async function resumeIfUnsent(engine: Engine, key: string): Promise<void> {
  const stored = await reread(engine, key);
  if (stored.value.unsent) await enqueueOutputs(engine, [await resume(engine, key, stored)]);
}

function logFailure(engine: Engine, error: unknown, events: string): void {
  const keys = events === "" ? {} : { events };
  if (error instanceof ComplianceUnavailableError)
    engine.log({ step: "governance-not-asked", why: error.message, ...keys });
  else engine.log({ step: "accept-failed", error: errorName(error), ...keys });
}

/** A waiting message is acknowledged this many receives before its queue would move it to the dead letters. */
const spareReceives = 5;

/**
 * Longest delay after a port failed. The delay doubles up to it, so the queue moves a message to the dead letters, from
 * which only a person moves it back, after more than three hours of failures.
 */
const maxPortDelayMs = 600_000;

/**
 * Returns the disposition of a message whose processing failed.
 *
 * An event may wait for the compliance engine for hours. Its delay grows, and its message is acknowledged before the
 * queue moves it to the dead letters: the event is in the table, and the watchdog resumes it.
 */
function retryLater({ times }: Engine, { receipt, receiveCount }: InboxMessage, error: unknown): MessageDisposition {
  const [shortest = 0] = times.backoffMs;
  if (!(error instanceof ComplianceUnavailableError)) {
    return delay(receipt, Math.max(shortest, Math.min(shortest * 2 ** (receiveCount - 1), maxPortDelayMs)));
  }
  if (receiveCount >= maxReceives - spareReceives) return ack(receipt);
  return delay(receipt, times.backoffMs[Math.min(receiveCount, times.backoffMs.length) - 1] ?? shortest);
}

async function acceptEvents(engine: Engine, messages: readonly InboxMessage[]): Promise<MessageDisposition[]> {
  const incoming = messages.map(({ id, body, ...arrival }): IncomingEvent => {
    const parsed = parseEvent(body);
    const key = parsed.kind === "malformed" ? quarantineKey(body) : eventKey(parsed.event);
    const raw = parsed.kind === "malformed" ? { raw: body.slice(0, maxRawLength) } : {};
    return { engine, message: id, key, acceptance: acceptanceAt(arrival, key), parsed, ...raw };
  });
  const failures = await acceptIncoming(engine, incoming);
  return Promise.all(
    messages.map(async (message, i) => {
      const event = incoming[i] as IncomingEvent;
      const error = failures.get(event);
      if (error === undefined) return ack(message.receipt);
      if (!(error instanceof ComplianceUnavailableError)) return retryLater(engine, message, error);
      // The event is recorded and has reserved its places, so its message must not keep later events waiting.
      return attemptMessage(engine, message, event.key, () => enqueueResume(engine, event.key));
    }),
  );
}

/**
 * Accepts events as if they came from the inbox, but for chosen targets only. An event that was imported before is
 * resumed if it is unfinished, and otherwise ignored.
 *
 * @throws {ComplianceUnavailableError} if the compliance engine did not answer
 * @throws {Error} if a port failed. Importing the same events again is safe.
 */
export async function acceptOnly(
  engine: Engine,
  only: NonNullable<EventRecord["only"]>,
  events: readonly ImportedEvent[],
): Promise<void> {
  const arrivals = await engine.queue.stamp(events.length);
  const incoming = events.map(({ key, event, message }, i): IncomingEvent => {
    const acceptance = acceptanceAt(arrivals[i] as Arrival, key);
    return { engine, message, key, acceptance, parsed: { kind: "event", event }, only };
  });
  // The events of one group are confirmed in one write.
  for (let i = 0; i < incoming.length; i += maxChanges) {
    const failures = await acceptIncoming(engine, incoming.slice(i, i + maxChanges));
    if (failures.size === 0) continue;
    const unavailable = [...failures.values()].find((error) => error instanceof ComplianceUnavailableError);
    const count = failures.size === 1 ? "1 event" : `${failures.size} events`;
    throw unavailable ?? new Error(`${count} could not be recorded; see the log lines with step "accept-failed"`);
  }
}

/** @returns the events that could not be finished because a port failed, each with its error */
async function acceptIncoming(
  engine: Engine,
  incoming: readonly IncomingEvent[],
): Promise<Map<IncomingEvent, unknown>> {
  const failures = new Map<IncomingEvent, unknown>();
  const failedKeys = new Map<string, unknown>();
  for (const copies of inRounds(incoming)) {
    // The place of an event is that of its first copy, so no later copy may be recorded in its stead.
    for (const event of copies) if (failedKeys.has(event.key)) failures.set(event, failedKeys.get(event.key));
    const left = copies.filter(({ key }) => !failedKeys.has(key));
    for (const [event, error] of await acceptDistinct(engine, left)) {
      failures.set(event, error);
      // An event that waits for the compliance engine is recorded.
      if (!(error instanceof ComplianceUnavailableError)) failedKeys.set(event.key, error);
    }
  }
  return failures;
}

/** Splits events into rounds, in order, so that each round has at most one copy of an event. */
function inRounds(incoming: readonly IncomingEvent[]): IncomingEvent[][] {
  const rounds: IncomingEvent[][] = [];
  const copies = new Map<string, number>();
  for (const event of incoming) {
    const round = copies.get(event.key) ?? 0;
    copies.set(event.key, round + 1);
    rounds[round] ??= [];
    rounds[round]?.push(event);
  }
  return rounds;
}

/** Accepts events of which no two have the same key. */
async function acceptDistinct(
  engine: Engine,
  incoming: readonly IncomingEvent[],
): Promise<Map<IncomingEvent, unknown>> {
  const failures = new Map<IncomingEvent, unknown>();
  const attempt = async <T>(events: readonly IncomingEvent[], work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      for (const event of events) failures.set(event, error);
      logFailure(engine, error, events.map(({ key }) => key).join(" "));
      return undefined;
    }
  };

  const plans = await Promise.all(incoming.map((event) => attempt([event], () => planEventWrite(event))));
  const written = await attempt([], () =>
    writeTogether(
      engine,
      plans.filter((planned) => planned !== undefined),
    ),
  );
  const recorded = await Promise.all(
    plans.map((planned, i) => {
      if (!planned) return undefined;
      return attempt(incoming.slice(i, i + 1), () => record(engine, planned, written?.has(planned) ?? false));
    }),
  );
  // Recorded in parallel, but still in the order of the messages.
  const events = recorded.filter((event) => event !== undefined);
  await attempt(
    incoming.filter((_, i) => recorded[i]),
    () => enqueueOutputs(engine, events),
  );
  return failures;
}

/** Enqueues recorded packets and chunks, publishes converted events and clears the `unsent` flags. Safe to repeat. */
async function enqueueOutputs(engine: Engine, events: readonly RecordedEvent[]): Promise<void> {
  await enqueuePackets(
    engine,
    events.flatMap(({ packets }) => packets),
  );
  await enqueueChunks(engine, events);
  const converted = events.flatMap((event) => event.converted);
  if (converted.length > 0) await engine.publish(converted);
  await confirm(engine, events);
}

/**
 * Writes planned events, as many as fit in each transaction.
 *
 * @returns the events that were written. If one event of a transaction is stored already, the whole transaction is
 * rejected.
 */
async function writeTogether(engine: Engine, plans: readonly PlannedEventWrite[]): Promise<Set<PlannedEventWrite>> {
  const groups = inWrites(plans, ({ weight }) => weight);
  const written = await Promise.all(groups.map((group) => writePlanned(engine, group)));
  return new Set(groups.filter((_, i) => written[i] === "written").flat());
}

function writePlanned(engine: Engine, plans: readonly PlannedEventWrite[]): Promise<"written" | "conflict"> {
  return engine.store.write(
    plans.flatMap(({ puts }) => puts),
    plans.flatMap(({ entries }) => entries),
  );
}

/**
 * Records a planned event with all its packets. If the event is recorded already, resumes it or counts a duplicate.
 *
 * @returns the event if some of its packets, chunks or converted events may still have to be enqueued
 */
async function record(
  engine: Engine,
  planned: PlannedEventWrite,
  isWritten: boolean,
): Promise<RecordedEvent | undefined> {
  const { key, value, packets, converted, unavailable } = planned;
  if (!isWritten && (await writePlanned(engine, [planned])) === "conflict") return recordRepeat(engine, planned);
  logNewEvent(engine, planned);
  if (unavailable) throw unavailable;
  const stored = { value, etag: 1 };
  if (value.chunks) return { key, stored, packets: [], converted };
  if (!value.unsent) return undefined;
  return value.status === "EXPANDED"
    ? { key, stored, packets: packets.map((packet) => packet.record), converted }
    : recordRest(engine, key, stored, { packets, converted });
}

/** Logs a new event's status and each of its packets that is held from the start. */
function logNewEvent(engine: Engine, planned: PlannedEventWrite): void {
  const { key, value, packets } = planned;
  const { event, reason } = value;
  const heldByMapping = packets.filter(({ record, entry }) => {
    return record.progress.status === "HELD" && entry.facts.reason === "mapping";
  }).length;
  engine.log({
    step: value.status.toLowerCase(),
    event: key,
    packets: value.packets,
    ...(heldByMapping > 0 && { heldByMapping }),
    ...(reason !== undefined && { reason }),
    ...(event && { type: redactName(event.type) }),
    ...(event?.time !== undefined && {
      ageMs: Math.max(0, acceptanceOf(value).acceptedAt - Date.parse(event.time)),
    }),
  });
  if (value.status === "EXPANDED") logHeld(engine, packets);
}

/**
 * Resumes an unfinished event if its message was redelivered. Counts any other message as a duplicate of the event, or
 * quarantines it if its content is another.
 */
async function recordRepeat(engine: Engine, planned: PlannedEventWrite): Promise<RecordedEvent | undefined> {
  const { key, message } = planned;
  for (;;) {
    const stored = await reread(engine, key);
    if (stored.value.message === message) return stored.value.unsent ? resume(engine, key, stored) : undefined;
    const { repeats = [], duplicates } = stored.value;
    if (repeats.includes(message)) return undefined;
    const content = compareContent(engine, planned.value, stored.value);
    if (content === "other") return quarantineReuse(engine, planned);
    const { value, entry } = transitionEvent(key, stored.value, engine.clock.now(), {
      step: "DUPLICATE",
      facts: content === "same" ? {} : { content: "not compared, because the earlier event is erased" },
      fields: { duplicates: duplicates + 1, repeats: [...repeats, message].slice(-maxRepeats) },
    });
    const put: Put = { kind: "event", id: key, value, etag: stored.etag };
    if ((await engine.store.write([put], [entry])) === "conflict") continue;
    engine.log({ step: "duplicate", event: key });
    return undefined;
  }
}

/** Compares an event with the recorded one of the same source and id. Malformed bodies with one key are equal. */
function compareContent({ bridgeKey }: Engine, given: EventRecord, known: EventRecord): "same" | "other" | "unknown" {
  if (given.digest === undefined) return "same";
  const digest = known.digest ?? (known.event && eventDigest(known.event, bridgeKey));
  if (digest === undefined) return "unknown";
  return digest === given.digest ? "same" : "other";
}

async function quarantineReuse(engine: Engine, planned: PlannedEventWrite): Promise<RecordedEvent | undefined> {
  const reuse = planReuse(engine, planned);
  if (!reuse) throw new InvariantError(`${planned.key} has no event to quarantine`);
  if ((await writePlanned(engine, [reuse])) === "conflict") return recordRepeat(engine, reuse);
  const { type, source } = planned.value.event ?? {};
  engine.log({
    step: "event-id-reused",
    event: reuse.key,
    of: planned.key,
    ...(source !== undefined && { source: redactName(source) }),
    ...(type !== undefined && { type: redactName(type) }),
  });
  return undefined;
}

/** Resumes an event whose first run did not finish, using the sheets pinned by that run. */
async function resume(engine: Engine, key: string, stored: Stored<"event">): Promise<RecordedEvent> {
  const planned = await planAgain(engine, key, stored.value);
  const conversion = await convert(planned);
  if ("issue" in conversion) throw new Error(`${key} cannot be converted again: ${conversion.issue}`);
  const converted = conversion.events;
  if (stored.value.chunks) return { key, stored, packets: [], converted };
  return recordRest(engine, key, stored, { packets: await expand(engine, planned), converted });
}

/** Records the packets of an event that are not recorded yet, then marks the event as `EXPANDED`. */
async function recordRest(
  engine: Engine,
  key: string,
  stored: Stored<"event">,
  { packets: all, converted }: Pick<PlannedEventWrite, "packets" | "converted">,
): Promise<RecordedEvent> {
  const packets = await recordPackets(engine, all);
  const count = { packets: all.length };
  let event = stored;
  while (event.value.status === "EXPANDING") {
    const change = { step: "EXPANDED", facts: count, fields: count } as const;
    const { value, entry } = transitionEvent(key, event.value, engine.clock.now(), change);
    const put: Put = { kind: "event", id: key, value, etag: event.etag };
    const written = await engine.store.write([put], [entry]);
    if (written === "written") {
      engine.log({ step: "expanded", event: key, ...count });
      await wakeLanesBehind(engine, key, value.reserves);
    }
    event = written === "written" ? { value, etag: event.etag + 1 } : await reread(engine, key);
  }
  return { key, stored: event, packets, converted };
}

/** Clears the `unsent` flag of events whose packets are all enqueued. A large event keeps it until its last chunk. */
async function confirm(engine: Engine, recorded: readonly RecordedEvent[]): Promise<void> {
  const events = recorded.filter(({ stored }) => stored.value.chunks === undefined);
  if (events.length === 0) return;
  if ((await engine.store.write(events.map(confirmedPut))) === "written") return;
  for (const { key } of events) {
    for (let stored = await reread(engine, key); stored.value.unsent; stored = await reread(engine, key)) {
      if ((await engine.store.write([confirmedPut({ key, stored })])) === "written") break;
    }
  }
}

function confirmedPut({ key, stored }: Pick<RecordedEvent, "key" | "stored">): Put {
  const { unsent: _u, reserves: _r, resume: _f, ...value } = stored.value;
  return { kind: "event", id: key, value, etag: stored.etag };
}

/** Events read at once to find those to resume. */
const resumedPage = 100;

/** Number of events without a ruling after which a run ends: the compliance engine would not answer the others either. */
const maxUnruled = 5;

/** Longest wait between two attempts to resume an event. */
const longestResumeMs = maxPortDelayMs;

/**
 * Resumes unfinished events whose message was not redelivered, for example because it was moved to the inbox's
 * dead-letter queue. Each event is resumed on its own: one that fails is tried again later, with growing waits.
 */
export async function resumeUnsent(engine: Engine): Promise<void> {
  const now = engine.clock.now();
  const ranges = [
    { to: (now - engine.times.putBackMs) * 1_000 },
    { from: (now + clockErrorMs) * 1_000, to: Number.MAX_SAFE_INTEGER },
  ];
  let unruled = 0;
  for (const range of ranges) {
    for await (const { items } of pagesOf((from) =>
      engine.store.unsentEvents({ ...range, limit: resumedPage, ...from }),
    )) {
      for (const { key } of items) {
        if ((await resumeWhenDue(engine, key)) === "unruled") unruled++;
        if (unruled >= maxUnruled) return;
      }
    }
  }
}

/** @returns `unruled` if the compliance engine gave no ruling */
async function resumeWhenDue(engine: Engine, key: string): Promise<"unruled" | undefined> {
  try {
    const stored = await reread(engine, key);
    if (!isDue(engine, stored.value)) return undefined;
    const resumed = await resume(engine, key, await restartChunks(engine, key, stored));
    engine.log({ step: "event-resumed", event: key });
    await enqueueOutputs(engine, [resumed]);
    return undefined;
  } catch (error) {
    logFailure(engine, error, key);
    const unruled = error instanceof ComplianceUnavailableError;
    await postponeResume(engine, key, unruled);
    return unruled ? "unruled" : undefined;
  }
}

function isDue({ clock, times }: Engine, { unsent, chunksAt = 0, resume: waiting }: EventRecord): boolean {
  const now = clock.now();
  // The chunks of a large event may still be being expanded.
  return unsent === true && isPast(chunksAt, now, times.putBackMs) && !isAhead(waiting?.at, now, longestResumeMs);
}

/**
 * Lets an event wait that could not be resumed: longer each time, unless it waits for a ruling, which it needs soon after
 * the compliance engine answers again. If this fails too, the event is tried again at once.
 */
async function postponeResume({ store, clock, times }: Engine, key: string, unruled: boolean): Promise<void> {
  const [stored] = await store.read("event", [key]);
  if (!stored) return;
  const failures = unruled ? 1 : (stored.value.resume?.failures ?? 0) + 1;
  const waitMs = Math.min(longestResumeMs, times.putBackMs * 2 ** Math.min(failures - 1, 10));
  const value = { ...stored.value, resume: { failures, at: clock.now() + waitMs } };
  await store.write([{ kind: "event", id: key, value, etag: stored.etag }]);
}

/** Records that a large event's chunks are enqueued again now, which restarts the watchdog's timeout for them. */
async function restartChunks(engine: Engine, key: string, stored: Stored<"event">): Promise<Stored<"event">> {
  if (!stored.value.chunks) return stored;
  const value = { ...stored.value, chunksAt: engine.clock.now() };
  const written = await engine.store.write([{ kind: "event", id: key, value, etag: stored.etag }]);
  return written === "written" ? { value, etag: stored.etag + 1 } : reread(engine, key);
}

async function reread(engine: Engine, key: string): Promise<Stored<"event">> {
  const [stored] = await engine.store.read("event", [key]);
  if (!stored) throw new InvariantError(`event ${key} is no longer in the store`);
  return stored;
}
