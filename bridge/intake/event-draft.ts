import type { Engine } from "../engine.ts";
import { ComplianceUnavailableError } from "../governance/compliance-engine.ts";
import { append, tailOf } from "../ledger/chain.ts";
import { onlyTargets } from "../mapping/sheet-set.ts";
import { eventKey, type ParsedMessage, type SourceEvent } from "../model/event.ts";
import type { EventRecord } from "../model/event-record.ts";
import type { Facts, LedgerEntry } from "../model/ledger-entry.ts";
import { redactName } from "../pii/redact.ts";
import type { Put } from "../ports/store.ts";
import { fitsOneWrite, newPut, type Weight, weigh } from "../recording/transaction-size.ts";
import type { Transition } from "../recording/transitions.ts";
import { chunksOf } from "./chunk-id.ts";
import { convert } from "./convert-inbound.ts";
import { expand } from "./expand.ts";
import { pinSheets } from "./pinned-sheets.ts";
import { type Plan, plan } from "./plan.ts";

/** One message at the door. */
export interface IncomingEvent {
  readonly engine: Engine;
  /** The message's id. */
  readonly message: string;
  readonly key: string;
  readonly stamp: number;
  readonly parsed: ParsedMessage;
  /** A malformed body's beginning. */
  readonly raw?: string;
  readonly only?: EventRecord["only"];
}

/** What one message will be in the table, should it be new. */
export interface PlannedEventWrite {
  readonly key: string;
  readonly message: string;
  readonly value: EventRecord;
  /** All packets of the event. */
  readonly steps: readonly Transition[];
  /** The HMS events it becomes, where it came from outside. */
  readonly converted: readonly SourceEvent[];
  /** Governance could not be asked about its packets: the event is recorded, and none of them. */
  readonly notAsked?: ComplianceUnavailableError;
  /** What is recorded in one write: the event and all its packets, or of a large one the event alone. */
  readonly puts: readonly Put[];
  readonly entries: readonly LedgerEntry[];
  readonly weight: Weight;
}

/** Works out what a message would be, were it new: most are, so nothing is read first. */
export async function planEventWrite(arrived: IncomingEvent): Promise<PlannedEventWrite> {
  const { engine, key, stamp, parsed: arrival, raw, only } = arrived;
  if (arrival.kind === "malformed") {
    const { reason } = arrival;
    const kept = { ...(raw !== undefined && { raw }), reason };
    return firstOf(arrived, "QUARANTINED", { reason }, kept);
  }
  const { event } = arrival;
  const all = engine.sheets().byType.get(event.type) ?? [];
  const sheets = only ? onlyTargets(all, only.targets) : all;
  await pinSheets(engine, all);
  const planned = await plan(engine, { key, event, accepted: stamp }, sheets, only && { by: only });
  const made = await convert(planned);
  if ("fault" in made) return firstOf(arrived, "QUARANTINED", { reason: "mapping" }, { event, reason: made.fault });
  const converted = made.events;
  const chunks = chunksOf(planned);
  const { steps, notAsked } = chunks.length > 0 ? { steps: [] } : await expandOrWait(engine, planned);
  const facts: Facts = {
    type: redactName(event.type),
    source: redactName(event.source),
    sheets: sheets.map((sheet) => `${sheet.name}:${sheet.hash.slice(0, 12)}`),
    targets: planned.matches.length,
    ...(chunks.length > 0 ? { chunks: chunks.length } : { packets: steps.length }),
    ...(notAsked && { waits: "governance could not be asked" }),
    ...(planned.clamped && { clamped: "its time lies more than 5 min ahead" }),
    ...(converted.length > 0 && { published: converted.map(eventKey) }),
    ...filesIn(planned),
    ...(only && { job: only.job, actor: only.actor }),
  };
  const pinned = sheets.map(({ name, hash }) => ({ name, hash }));
  const { rosters } = planned;
  const more = {
    event,
    sheets: pinned,
    packets: steps.length,
    ...(rosters.length > 0 && { rosters }),
    ...(only && { only }),
  };
  if (planned.matches.length === 0) return firstOf(arrived, "UNMATCHED", facts, more);
  if (chunks.length > 0) {
    const chunksAt = engine.clock.now();
    return firstOf(arrived, "EXPANDING", facts, { ...more, unsent: true, chunks, chunksAt }, { converted });
  }
  if (notAsked) return firstOf(arrived, "EXPANDING", facts, { ...more, unsent: true }, { converted, notAsked });
  const marked = steps.length + converted.length > 0 ? { ...more, unsent: true } : more;
  const whole = firstOf(arrived, "EXPANDED", facts, marked, { steps, converted });
  return fitsOneWrite(whole.weight) ? whole : firstOf(arrived, "EXPANDING", facts, marked, { steps, converted });
}

/** The packets of an event; or, where governance cannot be asked about them, that it cannot. */
async function expandOrWait(engine: Engine, planned: Plan): Promise<Pick<PlannedEventWrite, "steps" | "notAsked">> {
  try {
    return { steps: await expand(engine, planned) };
  } catch (error) {
    if (error instanceof ComplianceUnavailableError) return { steps: [], notAsked: error };
    throw error;
  }
}

/** Which versions of which files an event's packets are made of, for the ledger: the addresses stand in the event. */
function filesIn({ rosters }: Plan): Facts {
  const files = rosters.flatMap((roster) =>
    "fault" in roster ? [] : [{ version: roster.version, bytes: roster.bytes }],
  );
  return files.length > 0 ? { files } : {};
}

/** The first entry of an event's chain, and the record it belongs to. */
function firstOf(
  { engine, message, key, stamp }: IncomingEvent,
  status: EventRecord["status"],
  facts: Facts,
  more: Partial<EventRecord>,
  { steps = [], converted = [], notAsked }: Partial<Pick<PlannedEventWrite, "steps" | "converted" | "notAsked">> = {},
): PlannedEventWrite {
  const entry = append(key, undefined, { at: engine.clock.now(), step: status, facts });
  const common = { sheets: [], packets: 0, duplicates: 0, message, accepted: stamp };
  const value: EventRecord = { ...common, ...more, status, step: entry.step, tail: tailOf(entry) };
  const together = status === "EXPANDED" ? steps : [];
  const puts: Put[] = [{ kind: "event", id: key, value, etag: 0 }, ...together.map(newPut)];
  const entries = [entry, ...together.map((stepped) => stepped.entry)];
  const told = { key, message, value, steps, converted, ...(notAsked && { notAsked }) };
  return { ...told, puts, entries, weight: weigh(puts, entries) };
}
