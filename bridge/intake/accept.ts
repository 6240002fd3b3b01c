import type { Engine } from "../engine.ts";
import { ComplianceUnavailableError } from "../governance/compliance-engine.ts";
import { eventKey, parseEvent, quarantineKey, type SourceEvent } from "../model/event.ts";
import type { EventRecord } from "../model/event-record.ts";
import type { PacketRecord } from "../model/packet-record.ts";
import { errorName } from "../observability/log.ts";
import { redactName } from "../pii/redact.ts";
import { ack, delay, type MessageDisposition } from "../ports/message-result.ts";
import { type Message, maxReceives } from "../ports/queue.ts";
import type { Put, Stored } from "../ports/store.ts";
import { enqueuePackets } from "../recording/enqueue.ts";
import { inWrites, maxChanges } from "../recording/transaction-size.ts";
import { logHeld, transitionEvent } from "../recording/transitions.ts";
import { convert } from "./convert-inbound.ts";
import { type IncomingEvent, type PlannedEventWrite, planEventWrite } from "./event-draft.ts";
import { expand } from "./expand.ts";
import { type Chunk, chunkIn, expandChunk, sendChunks } from "./expand-chunk.ts";
import { planAgain } from "./pinned-sheets.ts";
import { recordPackets } from "./record-packets.ts";

/** A malformed body is kept up to so many characters, for the operator. */
const rawKept = 16_384;

/** So many duplicates of one event are told from their own redeliveries. */
const repeatsKept = 50;

type Incoming = Pick<Message, "id" | "body" | "receipt" | "receiveCount">;

/** An event that a job brings, for chosen targets only. */
export interface ImportedEvent {
  readonly key: string;
  readonly event: SourceEvent;
  /** The same when the same is brought again. */
  readonly message: string;
}

/** An event whose packets are all recorded, and what may not have gone on its way yet: packets, HMS events. */
interface Recorded {
  readonly key: string;
  readonly stored: Stored<"event">;
  readonly packets: readonly PacketRecord[];
  readonly converted: readonly SourceEvent[];
}

/**
 * The mapper's work: messages of the inbox in, packets recorded and on their lanes.
 *
 * Each event ends as one record: expanded, unmatched, quarantined, or a duplicate of one of these. Running it twice for
 * one message changes nothing; a crash anywhere is mended by the redelivery. A large event comes back in chunks.
 *
 * @returns per message whether it is done with; `later` where a port failed
 */
export async function accept(engine: Engine, messages: readonly Incoming[]): Promise<MessageDisposition[]> {
  const chunks: { readonly message: Incoming; readonly chunk: Chunk }[] = [];
  const events: Incoming[] = [];
  for (const message of messages) {
    const chunk = chunkIn(message.body);
    if (chunk) chunks.push({ message, chunk });
    else events.push(message);
  }
  const reports = await acceptEvents(engine, events);
  for (const { message, chunk } of chunks) reports.push(await acceptChunk(engine, message, chunk));
  return reports;
}

async function acceptChunk(engine: Engine, message: Incoming, chunk: Chunk): Promise<MessageDisposition> {
  try {
    await expandChunk(engine, chunk);
    return ack(message.receipt);
  } catch (error) {
    logFailure(engine, error, chunk.event);
    return putOff(engine, message, error);
  }
}

function logFailure(engine: Engine, error: unknown, events: string): void {
  const about = events === "" ? {} : { events };
  if (error instanceof ComplianceUnavailableError)
    engine.log({ step: "governance-not-asked", why: error.message, ...about });
  else engine.log({ step: "accept-failed", error: errorName(error), ...about });
}

/** So many receives before a queue would give a message up, the watchdog goes on with what is recorded. */
const spareReceives = 5;

/**
 * When a message comes again. What waits for governance may wait for hours: it comes less and less often, and its message
 * is gone before the queue gives it up, because the event stands in the table and the watchdog goes on with it.
 */
function putOff({ times }: Engine, { receipt, receiveCount }: Incoming, error: unknown): MessageDisposition {
  const [shortest = 0] = times.backoffMs;
  if (!(error instanceof ComplianceUnavailableError)) return delay(receipt, shortest);
  if (receiveCount >= maxReceives - spareReceives) return ack(receipt);
  return delay(receipt, times.backoffMs[Math.min(receiveCount, times.backoffMs.length) - 1] ?? shortest);
}

async function acceptEvents(engine: Engine, messages: readonly Incoming[]): Promise<MessageDisposition[]> {
  // Stamped before the first await: the order of the messages is the order of acceptance.
  const arrivals = messages.map(({ id, body }): IncomingEvent => {
    const arrival = parseEvent(body);
    const key = arrival.kind === "malformed" ? quarantineKey(body) : eventKey(arrival.event);
    const raw = arrival.kind === "malformed" ? { raw: body.slice(0, rawKept) } : {};
    return { engine, message: id, key, stamp: engine.clock.stamp(), parsed: arrival, ...raw };
  });
  const failed = await acceptArrivals(engine, arrivals);
  return messages.map((message, i) => {
    const arrived = arrivals[i] as IncomingEvent;
    return failed.has(arrived) ? putOff(engine, message, failed.get(arrived)) : ack(message.receipt);
  });
}

/**
 * Takes events in as the inbox would, for chosen targets only. One that was brought before is gone on with, or left.
 *
 * @throws where a port failed; bringing the same again is safe
 */
export async function acceptOnly(
  engine: Engine,
  only: NonNullable<EventRecord["only"]>,
  events: readonly ImportedEvent[],
): Promise<void> {
  const arrivals = events.map(({ key, event, message }): IncomingEvent => {
    return { engine, message, key, stamp: engine.clock.stamp(), parsed: { kind: "event", event }, only };
  });
  // As many as are confirmed in one write.
  for (let i = 0; i < arrivals.length; i += maxChanges) {
    const failed = await acceptArrivals(engine, arrivals.slice(i, i + maxChanges));
    if (failed.size === 0) continue;
    const notAsked = [...failed.values()].find((error) => error instanceof ComplianceUnavailableError);
    throw notAsked ?? new Error(`${failed.size} events could not be recorded; see the lines "accept-failed"`);
  }
}

/** @returns those that could not be brought to their end now, because a port failed, and the error */
async function acceptArrivals(
  engine: Engine,
  arrivals: readonly IncomingEvent[],
): Promise<Map<IncomingEvent, unknown>> {
  const failed = new Map<IncomingEvent, unknown>();
  const guarded = async <T>(about: readonly IncomingEvent[], work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      for (const arrived of about) failed.set(arrived, error);
      logFailure(engine, error, about.map(({ key }) => key).join(" "));
      return undefined;
    }
  };

  const drafts = await Promise.all(arrivals.map((arrived) => guarded([arrived], () => planEventWrite(arrived))));
  const written = await guarded([], () =>
    writeTogether(
      engine,
      drafts.filter((made) => made !== undefined),
    ),
  );
  const recorded = await Promise.all(
    drafts.map(
      (made, i) => made && guarded(arrivals.slice(i, i + 1), () => record(engine, made, written?.has(made) ?? false)),
    ),
  );
  // In the messages' order, though they were recorded side by side.
  const events = recorded.filter((event) => event !== undefined);
  await guarded(
    arrivals.filter((_, i) => recorded[i]),
    () => enqueueOutputs(engine, events),
  );
  return failed;
}

/** Sends what was recorded on its way, and notes that it is. Safe to repeat. */
async function enqueueOutputs(engine: Engine, events: readonly Recorded[]): Promise<void> {
  await enqueuePackets(
    engine,
    events.flatMap(({ packets }) => packets),
  );
  await sendChunks(engine, events);
  const converted = events.flatMap((event) => event.converted);
  if (converted.length > 0) await engine.publish(converted);
  await confirm(engine, events);
}

/**
 * Writes as many drafts as fit into each transaction.
 *
 * @returns those that were written; where a transaction found one of its events there already, none of it was
 */
async function writeTogether(engine: Engine, drafts: readonly PlannedEventWrite[]): Promise<Set<PlannedEventWrite>> {
  // The same event twice in one transaction is an error for DynamoDB, not a conflict.
  const isFirst = (made: PlannedEventWrite, i: number) => drafts.findIndex(({ key }) => key === made.key) === i;
  const groups = [
    ...inWrites(drafts.filter(isFirst), ({ weight }) => weight),
    ...drafts.filter((made, i) => !isFirst(made, i)).map((made) => [made]),
  ];
  const written = await Promise.all(groups.map((group) => writeDrafts(engine, group)));
  return new Set(groups.filter((_, i) => written[i] === "written").flat());
}

function writeDrafts(engine: Engine, drafts: readonly PlannedEventWrite[]): Promise<"written" | "conflict"> {
  return engine.store.write(
    drafts.flatMap(({ puts }) => puts),
    drafts.flatMap(({ entries }) => entries),
  );
}

/** Brings a draft to its end: written, and with it all packets; or recognised as one that was here before. */
async function record(engine: Engine, made: PlannedEventWrite, isWritten: boolean): Promise<Recorded | undefined> {
  const { key, value, steps, converted, notAsked } = made;
  if (!isWritten && (await writeDrafts(engine, [made])) === "conflict") return recordAgain(engine, made);
  logArrival(engine, made);
  if (notAsked) throw notAsked;
  const stored = { value, etag: 1 };
  if (value.chunks) return { key, stored, packets: [], converted };
  if (!value.unsent) return undefined;
  return value.status === "EXPANDED"
    ? { key, stored, packets: steps.map((stepped) => stepped.record), converted }
    : recordRest(engine, key, stored, { steps, converted });
}

/** Says what a new event came to, and which of its packets wait for a person from the beginning. */
function logArrival(engine: Engine, made: PlannedEventWrite): void {
  const { key, value } = made;
  const { event, reason } = value;
  const heldByMapping = made.steps.filter(({ record, entry }) => {
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
      ageMs: Math.max(0, Math.floor(value.accepted / 1_000) - Date.parse(event.time)),
    }),
  });
  if (value.status === "EXPANDED") logHeld(engine, made.steps);
}

/** A message or an event that was here before. */
async function recordAgain(engine: Engine, { key, message }: PlannedEventWrite): Promise<Recorded | undefined> {
  for (;;) {
    const known = await reread(engine, key);
    if (known.value.message === message) return known.value.unsent ? resume(engine, key, known) : undefined;
    const { repeats = [], duplicates } = known.value;
    if (repeats.includes(message)) return undefined;
    const counted = { duplicates: duplicates + 1, repeats: [...repeats, message].slice(-repeatsKept) };
    const { value, entry } = transitionEvent(key, known.value, engine.clock.now(), "DUPLICATE", {}, counted);
    const put: Put = { kind: "event", id: key, value, etag: known.etag };
    if ((await engine.store.write([put], [entry])) === "conflict") continue;
    engine.log({ step: "duplicate", event: key });
    return undefined;
  }
}

/** Goes on with an event whose first run did not come to its end, with the sheets that run had pinned. */
async function resume(engine: Engine, key: string, stored: Stored<"event">): Promise<Recorded> {
  const planned = await planAgain(engine, key, stored.value);
  const made = await convert(planned);
  if ("fault" in made) throw new Error(`${key} cannot be converted as it was before: ${made.fault}`);
  const converted = made.events;
  if (stored.value.chunks) return { key, stored, packets: [], converted };
  return recordRest(engine, key, stored, { steps: await expand(engine, planned), converted });
}

/** Records those packets of an event that are not recorded yet, and with the last of them that it is expanded. */
async function recordRest(
  engine: Engine,
  key: string,
  stored: Stored<"event">,
  { steps, converted }: Pick<PlannedEventWrite, "steps" | "converted">,
): Promise<Recorded> {
  const packets = await recordPackets(engine, steps);
  let event = stored;
  while (event.value.status === "EXPANDING") {
    const facts = { packets: steps.length };
    const { value, entry } = transitionEvent(key, event.value, engine.clock.now(), "EXPANDED", facts, facts);
    const put: Put = { kind: "event", id: key, value, etag: event.etag };
    const written = await engine.store.write([put], [entry]);
    if (written === "written") engine.log({ step: "expanded", event: key, packets: steps.length });
    event = written === "written" ? { value, etag: event.etag + 1 } : await reread(engine, key);
  }
  return { key, stored: event, packets, converted };
}

/** All packets of these events are on their queues: they need nobody any more. A large one is not there yet. */
async function confirm(engine: Engine, recorded: readonly Recorded[]): Promise<void> {
  const events = recorded.filter(({ stored }) => stored.value.chunks === undefined);
  if (events.length === 0) return;
  if ((await engine.store.write(events.map(confirmed))) === "written") return;
  for (const { key } of events) {
    for (let stored = await reread(engine, key); stored.value.unsent; stored = await reread(engine, key)) {
      if ((await engine.store.write([confirmed({ key, stored })])) === "written") break;
    }
  }
}

function confirmed({ key, stored }: Pick<Recorded, "key" | "stored">): Put {
  const { unsent: _, ...value } = stored.value;
  return { kind: "event", id: key, value, etag: stored.etag };
}

/** Mends events whose redelivery never came: an inbox message that went to its dead-letter queue, say. */
export async function resumeUnsent(engine: Engine): Promise<void> {
  const before = engine.clock.now() - engine.times.putBackMs;
  for (const { key } of await engine.store.unsentEvents(before * 1_000, 100)) {
    const stored = await reread(engine, key);
    // A large event that is being expanded needs nobody.
    if (!stored.value.unsent || (stored.value.chunksAt ?? 0) > before) continue;
    try {
      const resumed = await resume(engine, key, await putInAgain(engine, key, stored));
      engine.log({ step: "event-resumed", event: key });
      await enqueueOutputs(engine, [resumed]);
    } catch (error) {
      // It waits on, and keeps no other waiting.
      if (!(error instanceof ComplianceUnavailableError)) throw error;
      logFailure(engine, error, key);
    }
  }
}

/** Notes that the chunks of a large event are put into the inbox anew: they are left to themselves for as long again. */
async function putInAgain(engine: Engine, key: string, stored: Stored<"event">): Promise<Stored<"event">> {
  if (!stored.value.chunks) return stored;
  const value = { ...stored.value, chunksAt: engine.clock.now() };
  const written = await engine.store.write([{ kind: "event", id: key, value, etag: stored.etag }]);
  return written === "written" ? { value, etag: stored.etag + 1 } : reread(engine, key);
}

async function reread(engine: Engine, key: string): Promise<Stored<"event">> {
  const [stored] = await engine.store.read("event", [key]);
  if (!stored) throw new Error(`${key} was there and is gone; this is a fault of the bridge`);
  return stored;
}
