import type { KeyObject } from "node:crypto";
import canonicalize from "canonicalize";
import { type Arrival, eventKey, openEvent, quarantineKey, type SourceEvent } from "./event.ts";
import { ExpressionFault } from "./expression.ts";
import { keyedHash } from "./ids.ts";
import type { Json } from "./json.ts";
import { append, type Facts, type LedgerEntry, tailOf } from "./ledger.ts";
import { errorName } from "./log.ts";
import { mapEvent, type Parcel } from "./map.ts";
import { match } from "./match.ts";
import { type Origin, type Packet, pack, sizeFault, versionOf } from "./pack.ts";
import { pinnedSheets, pinSheets } from "./pinned.ts";
import type { Engine, Message, Put, Stored } from "./ports.ts";
import { putOnQueue } from "./queueing.ts";
import type { EventRecord, PacketRecord, Progress } from "./records.ts";
import { later, type Report, removed } from "./report.ts";
import type { Sheet } from "./sheet.ts";
import { begin, type Stepped } from "./step.ts";
import { vet } from "./vet.ts";

/** Packets in one write: each is a put, an entry, and in a strict lane one more, of the store's 100. */
const packetsAWrite = 32;

/** A quarantined body is kept up to here, for the operator. */
const rawKept = 4_096;

/** An event whose packets are all recorded, and those of them that may not be on their queues yet. */
interface Recorded {
  readonly key: string;
  readonly stored: Stored<"event">;
  readonly packets: readonly PacketRecord[];
}

/**
 * The mapper's work: messages of the inbox in, packets recorded and on their lanes.
 *
 * Each message ends as one event record: expanded, unmatched, quarantined, or a duplicate of one of these. Running it
 * twice for one message changes nothing; a crash anywhere is mended by the redelivery.
 *
 * The messages go through side by side, but their packets are put on the queues in the messages' order.
 *
 * @returns per message whether it is done with; `later` where a port failed
 */
export async function accept(
  engine: Engine,
  messages: readonly Pick<Message, "id" | "body" | "receipt">[],
): Promise<Report[]> {
  // Stamped before the first await: the order of the messages is the order of acceptance.
  const arrivals = messages.map((message) => ({
    message,
    stamp: engine.clock.stamp(),
    arrival: openEvent(message.body),
  }));
  const failed = new Set<string>();
  const guarded = async <T>(receipts: readonly string[], work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      for (const receipt of receipts) failed.add(receipt);
      engine.log({ step: "accept-failed", error: errorName(error) });
      return undefined;
    }
  };

  const recorded = await Promise.all(
    arrivals.map(({ message, arrival, stamp }) =>
      guarded([message.receipt], () => record(engine, message, arrival, stamp)),
    ),
  );
  const events = recorded.filter((event) => event !== undefined);
  const receipts = messages.flatMap(({ receipt }, i) => (recorded[i] ? [receipt] : []));
  await guarded(receipts, async () => {
    await putOnQueue(
      engine,
      events.flatMap(({ packets }) => packets),
    );
    await Promise.all(events.map((event) => confirm(engine, event)));
  });
  return messages.map(({ receipt }) =>
    failed.has(receipt) ? later(receipt, engine.times.backoffMs[0] as number) : removed(receipt),
  );
}

/** Writes what a message brought. Gives nothing back where no packet waits to be queued. */
async function record(
  engine: Engine,
  message: Pick<Message, "id" | "body">,
  arrival: Arrival,
  stamp: number,
): Promise<Recorded | undefined> {
  const key = arrival.kind === "event" ? eventKey(arrival.event) : quarantineKey(message.body);
  const written =
    arrival.kind === "event"
      ? await recordEvent(engine, message.id, key, arrival.event, stamp)
      : await quarantine(engine, message, key, arrival.reason, stamp);
  if (written === "written") return undefined;
  return written === "conflict" ? recordAgain(engine, message.id, key) : written;
}

/** A message or an event that was here before. */
async function recordAgain(engine: Engine, messageId: string, key: string): Promise<Recorded | undefined> {
  for (;;) {
    const [known] = await engine.store.read("event", [key]);
    if (!known) throw new Error(`${key} was there and is gone; this is a fault of the bridge`);
    if (known.value.message === messageId) return known.value.unsent ? resume(engine, key, known) : undefined;
    const entry = eventEntry(engine, key, known.value, "DUPLICATE", {});
    const value = { ...known.value, duplicates: known.value.duplicates + 1, step: entry.step, tail: tailOf(entry) };
    engine.log({ step: "duplicate", event: key });
    if ((await engine.store.write([{ kind: "event", id: key, value, etag: known.etag }], [entry])) === "written")
      return undefined;
  }
}

async function quarantine(
  engine: Engine,
  message: Pick<Message, "id" | "body">,
  key: string,
  reason: string,
  stamp: number,
) {
  const entry = append(key, undefined, { at: engine.clock.now(), step: "QUARANTINED", facts: { reason } });
  const value: EventRecord = {
    status: "QUARANTINED",
    accepted: stamp,
    raw: message.body.slice(0, rawKept),
    reason,
    ...fresh(message.id, entry),
  };
  engine.log({ step: "quarantined", event: key, reason });
  return engine.store.write([{ kind: "event", id: key, value, etag: 0 }], [entry]);
}

function fresh(message: string, entry: LedgerEntry) {
  return { sheets: [], packets: 0, message, duplicates: 0, step: entry.step, tail: tailOf(entry) };
}

async function recordEvent(
  engine: Engine,
  messageId: string,
  key: string,
  event: SourceEvent,
  stamp: number,
): Promise<Recorded | "written" | "conflict"> {
  const sheets = engine.sheets().byType.get(event.type) ?? [];
  await pinSheets(engine, sheets);

  let expansion: Expansion;
  try {
    expansion = await plan(engine, key, event, sheets, stamp);
  } catch (error) {
    if (!(error instanceof ExpressionFault)) throw error;
    return quarantine(engine, { id: messageId, body: JSON.stringify(event) }, key, `when: ${error.message}`, stamp);
  }
  const { steps, matched, clamped } = expansion;
  const inOne = steps.length <= packetsAWrite;
  const status = matched === 0 ? "UNMATCHED" : inOne ? "EXPANDED" : "EXPANDING";
  const facts: Facts = {
    type: event.type,
    source: event.source,
    sheets: sheets.map((sheet) => `${sheet.name}:${sheet.hash.slice(0, 12)}`),
    targets: matched,
    packets: steps.length,
    ...(clamped && { clamped: "its time lies more than 5 min ahead" }),
  };
  const entry = append(key, undefined, { at: engine.clock.now(), step: status, facts });
  const value: EventRecord = {
    status,
    accepted: stamp,
    event,
    ...fresh(messageId, entry),
    sheets: sheets.map(({ name, hash }) => ({ name, hash })),
    packets: steps.length,
    ...(steps.length > 0 && { unsent: true }),
  };
  const first = inOne ? steps : [];
  const written = await engine.store.write(
    [{ kind: "event", id: key, value, etag: 0 }, ...first.map(asNewPut)],
    [entry, ...first.map((stepped) => stepped.entry)],
  );
  if (written === "conflict" || steps.length === 0) return written;
  const stored = { value, etag: 1 };
  return inOne ? { key, stored, packets: steps.map(({ record }) => record) } : recordRest(engine, key, stored, steps);
}

/** Goes on with an event whose first run did not come to its end, with the sheets that run had pinned. */
async function resume(engine: Engine, key: string, stored: Stored<"event">): Promise<Recorded> {
  const { event, sheets, accepted } = stored.value;
  if (!event) throw new Error(`${key} has packets and no event; this is a fault of the bridge`);
  const { steps } = await plan(engine, key, event, await pinnedSheets(engine, sheets), accepted);
  return recordRest(engine, key, stored, steps);
}

/** Records those packets of an event that are not recorded yet, and with the last of them that it is expanded. */
async function recordRest(
  engine: Engine,
  key: string,
  stored: Stored<"event">,
  steps: readonly Stepped[],
): Promise<Recorded> {
  const packets: PacketRecord[] = [];
  for (let i = 0; i < steps.length; i += packetsAWrite) {
    packets.push(...(await recordMissing(engine, steps.slice(i, i + packetsAWrite))));
  }
  let event = stored;
  while (event.value.status === "EXPANDING") {
    const entry = eventEntry(engine, key, event.value, "EXPANDED", { packets: steps.length });
    const value: EventRecord = { ...event.value, status: "EXPANDED", step: entry.step, tail: tailOf(entry) };
    const put = { kind: "event", id: key, value, etag: event.etag } as const;
    event =
      (await engine.store.write([put], [entry])) === "written"
        ? { value, etag: event.etag + 1 }
        : await reread(engine, key);
  }
  return { key, stored: event, packets };
}

/** All packets of an event are on their queues: it needs nobody any more. */
async function confirm(engine: Engine, { key, stored }: Recorded): Promise<void> {
  for (let event = stored; event.value.unsent; event = await reread(engine, key)) {
    const { unsent: _, ...value } = event.value;
    if ((await engine.store.write([{ kind: "event", id: key, value, etag: event.etag }])) === "written") return;
  }
}

async function reread(engine: Engine, key: string): Promise<Stored<"event">> {
  const [stored] = await engine.store.read("event", [key]);
  if (!stored) throw new Error(`${key} was there and is gone; this is a fault of the bridge`);
  return stored;
}

/** Mends events whose redelivery never came: an inbox message that went to its dead-letter queue, say. */
export async function resumeUnsent(engine: Engine): Promise<void> {
  const before = (engine.clock.now() - engine.times.putBackMs) * 1_000;
  for (const { key } of await engine.store.unsentEvents(before, 10)) {
    const stored = await reread(engine, key);
    if (!stored.value.unsent) continue;
    engine.log({ step: "event-resumed", event: key });
    const event = await resume(engine, key, stored);
    await putOnQueue(engine, event.packets);
    await confirm(engine, event);
  }
}

interface Expansion {
  readonly steps: readonly Stepped[];
  readonly matched: number;
  readonly clamped: boolean;
}

/** Event and sheets in, packets out: nothing is read or written, so it can be run again. */
async function plan(
  engine: Engine,
  key: string,
  event: SourceEvent,
  sheets: readonly Sheet[],
  stamp: number,
): Promise<Expansion> {
  const acceptedMs = Math.floor(stamp / 1_000);
  const { version, clamped } = versionOf(event, stamp);
  const matches = await match(event, sheets, acceptedMs);
  const steps: Stepped[] = [];
  const seen = new Set<string>();
  for (const found of matches) {
    for (const parcel of await mapEvent(event, found, acceptedMs)) {
      steps.push(prepare(engine, parcel, { key, type: event.type, version }, seen));
    }
  }
  return { steps, matched: matches.length, clamped };
}

/** Vets and packs a parcel, and writes the first step of its story. */
export function prepare(
  engine: Engine,
  parcel: Parcel,
  origin: Origin,
  seen: Set<string>,
  change: Partial<Progress> = {},
): Stepped {
  const found = engine.catalog.find(parcel.target.connector);
  if ("fault" in found) throw new Error(found.fault);
  const vetted = vet(engine.sheets().policy, parcel);
  let packet = pack(vetted, origin, found.connector, engine.bridgeKey);
  let fault = parcel.fault ?? sizeFault(packet);
  if (seen.has(packet.id)) {
    const entity = `${parcel.entity} (again, ${seen.size})`;
    packet = pack({ ...vetted, entity }, origin, found.connector, engine.bridgeKey);
    fault = `the event gives ${parcel.target.keyPath ?? "the same record"} twice with the same value; which of them counts?`;
  }
  seen.add(packet.id);
  const blocked = vetted.decisions.filter(({ action }) => action === "block");
  const reason =
    fault ??
    (vetted.verdict === "block"
      ? `governance blocks ${blocked.map(({ field, rule }) => `${field} (${rule})`).join(", ")}`
      : undefined);
  const facts = { ...birthFacts(packet, engine.bridgeKey), governance: vetted.decisions as unknown as Json };
  return reason === undefined
    ? begin(packet, engine.clock.now(), "QUEUED", facts, change)
    : begin(packet, engine.clock.now(), "HELD", { ...facts, reason: fault ? "mapping" : "governance" }, { reason });
}

/** What the ledger says of a packet at its beginning: names and hashes, no value. */
export function birthFacts(packet: Packet, bridgeKey: KeyObject): Facts {
  return {
    event: packet.event,
    type: packet.eventType,
    sheet: packet.sheet,
    sheetHash: packet.sheetHash,
    target: packet.target,
    connector: packet.connector,
    lane: packet.lane,
    action: packet.action,
    fields: Object.keys(packet.fields),
    digest: keyedHash(bridgeKey, packet.id, canonicalize(packet.fields) as string),
    version: packet.version as unknown as Json,
    ...(packet.replayOf && { replayOf: packet.replayOf }),
    ...(packet.force && { force: true }),
  };
}

function asNewPut({ record }: Stepped): Put {
  return { kind: "packet", id: record.packet.id, value: record, etag: 0 };
}

/** Records those packets of a chunk that an earlier run has not. Gives back those that nobody has worked on yet. */
async function recordMissing(engine: Engine, steps: readonly Stepped[]): Promise<PacketRecord[]> {
  for (;;) {
    const stored = await engine.store.read(
      "packet",
      steps.map(({ record }) => record.packet.id),
    );
    const missing = steps.filter((_, i) => !stored[i]);
    const untouched = stored.flatMap((known) => (known && isUntouched(known.value) ? [known.value] : []));
    if (missing.length === 0) return untouched;
    const written = await engine.store.write(
      missing.map(asNewPut),
      missing.map(({ entry }) => entry),
    );
    if (written === "written") return [...untouched, ...missing.map(({ record }) => record)];
  }
}

function isUntouched({ progress }: PacketRecord): boolean {
  return progress.status === "QUEUED" && progress.place === "lane" && progress.tries === 0;
}

function eventEntry(
  engine: Engine,
  key: string,
  event: EventRecord,
  to: "EXPANDED" | "DUPLICATE",
  facts: Facts,
): LedgerEntry {
  return append(key, { tail: event.tail, step: event.step }, { at: engine.clock.now(), step: to, facts });
}
