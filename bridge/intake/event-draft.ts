// Plans the first write of an event: its record, its ledger entry and its packets. Nothing is written here.
import type { Engine } from "../engine.ts";
import { ComplianceUnavailableError } from "../governance/compliance-engine.ts";
import { append, tailOf } from "../ledger/chain.ts";
import type { Sheet } from "../mapping/compile-sheet.ts";
import { onlyTargets } from "../mapping/sheet-set.ts";
import { type Acceptance, acceptanceOf } from "../model/acceptance.ts";
import { connectorId } from "../model/connector.ts";
import { eventDigest, eventKey, type ParsedMessage, reusedKey, type SourceEvent } from "../model/event.ts";
import type { EventRecord } from "../model/event-record.ts";
import type { Facts, LedgerEntry } from "../model/ledger-entry.ts";
import { redactName } from "../pii/redact.ts";
import type { Put } from "../ports/store.ts";
import { fitsOneWrite, newPut, type Weight, weigh } from "../recording/transaction-size.ts";
import type { Transition } from "../recording/transitions.ts";
import { bodyText } from "../values/json.ts";
import { chunksOf } from "./chunk-id.ts";
import { convert } from "./convert-inbound.ts";
import { expand } from "./expand.ts";
import { pinSheets } from "./pinned-sheets.ts";
import { type Plan, plan } from "./plan.ts";

/** Characters of a quarantined body kept for the operator. */
export const maxRawLength = 16_384;

/** A parsed inbox message, or an event imported by a job. */
export interface IncomingEvent {
  readonly engine: Engine;
  /** The message's id. */
  readonly message: string;
  readonly key: string;
  readonly acceptance: Acceptance;
  readonly parsed: ParsedMessage;
  /** Beginning of a malformed body. */
  readonly raw?: string;
  readonly only?: EventRecord["only"];
}

/** Everything to write for a message whose event is new. */
export interface PlannedEventWrite {
  readonly key: string;
  readonly message: string;
  readonly value: EventRecord;
  /** All packets of the event. */
  readonly packets: readonly Transition[];
  /** HMS events to publish, if the event came from an outside system. */
  readonly converted: readonly SourceEvent[];
  /** Set if the compliance engine did not answer. The event is then recorded without its packets. */
  readonly unavailable?: ComplianceUnavailableError;
  /** Puts of one transaction: the event with all its packets, or only the event if its packets are recorded later. */
  readonly puts: readonly Put[];
  readonly entries: readonly LedgerEntry[];
  readonly weight: Weight;
}

/** Results of an event besides its own record. */
type Outputs = Pick<PlannedEventWrite, "packets" | "converted" | "unavailable">;

/** First status of an event, with its ledger facts and the fields of its record. */
interface FirstState {
  readonly status: EventRecord["status"];
  readonly facts: Facts;
  readonly fields: Partial<EventRecord>;
}

/** Plans the first write of a message as if its event were new. Most events are, so the store is not read first. */
export async function planEventWrite(incoming: IncomingEvent): Promise<PlannedEventWrite> {
  const { engine, key, acceptance, parsed, raw, only } = incoming;
  if (parsed.kind === "malformed") {
    const { reason } = parsed;
    const fields = { ...(raw !== undefined && { raw }), reason };
    return firstWrite(incoming, { status: "QUARANTINED", facts: { reason }, fields });
  }
  const { event } = parsed;
  const all = engine.sheets().byType.get(event.type) ?? [];
  const sheets = only ? onlyTargets(all, only.targets) : all;
  await pinSheets(engine, all);
  const planned = await plan(engine, { key, event, acceptance }, sheets, only && { by: only });
  const conversion = await convert(planned);
  if ("issue" in conversion) {
    const fields = { event, reason: conversion.issue };
    return firstWrite(incoming, { status: "QUARANTINED", facts: { reason: "mapping" }, fields });
  }
  const chunks = chunksOf(planned);
  const expansion = chunks.length > 0 ? { packets: [] } : await expandIfGoverned(engine, planned);
  const outputs: Outputs = { ...expansion, converted: conversion.events };
  const facts = factsOf(planned, sheets, chunks, outputs);
  const { rosters } = planned;
  const fields = {
    event,
    sheets: sheets.map(({ name, hash }) => ({ name, hash })),
    packets: outputs.packets.length,
    ...(rosters.length > 0 && { rosters }),
    ...(only && { only }),
  };
  if (planned.matches.length === 0) return firstWrite(incoming, { status: "UNMATCHED", facts, fields });
  const reserves = strictConnectorsOf(engine, planned);
  const reserved = reserves.length > 0 ? { reserves } : {};
  if (chunks.length > 0) {
    const unsent = { ...fields, ...reserved, unsent: true, chunks, chunksAt: engine.clock.now() };
    return firstWrite(incoming, { status: "EXPANDING", facts, fields: unsent }, outputs);
  }
  const hasOutput = outputs.packets.length + outputs.converted.length > 0;
  const marked = hasOutput || outputs.unavailable ? { ...fields, unsent: true } : fields;
  const inParts = () =>
    firstWrite(incoming, { status: "EXPANDING", facts, fields: { ...marked, ...reserved } }, outputs);
  if (outputs.unavailable) return inParts();
  const whole = firstWrite(incoming, { status: "EXPANDED", facts, fields: marked }, outputs);
  return fitsOneWrite(whole.weight) ? whole : inParts();
}

/** Returns the strict connectors of an event's targets, for which it keeps the places of its packets. */
function strictConnectorsOf({ catalog }: Engine, { matches }: Plan): string[] {
  const ids = matches.flatMap(({ target }) => {
    const found = target.publish === undefined ? catalog.find(target.connector) : undefined;
    return found && !("issue" in found) && found.connector.order === "strict" ? [connectorId(found.connector)] : [];
  });
  return [...new Set(ids)];
}

/** Expands a plan. If the compliance engine does not answer, returns its error and no packets. */
async function expandIfGoverned(engine: Engine, planned: Plan): Promise<Pick<Outputs, "packets" | "unavailable">> {
  try {
    return { packets: await expand(engine, planned) };
  } catch (error) {
    if (error instanceof ComplianceUnavailableError) return { packets: [], unavailable: error };
    throw error;
  }
}

/** Returns the facts of an event's first ledger entry. */
function factsOf(
  planned: Plan,
  sheets: readonly Sheet[],
  chunks: readonly string[],
  { packets, converted, unavailable }: Outputs,
): Facts {
  const { event, matches, clamped, by } = planned;
  return {
    type: redactName(event.type),
    source: redactName(event.source),
    sheets: sheets.map((sheet) => `${sheet.name}:${sheet.hash.slice(0, 12)}`),
    targets: matches.length,
    ...(chunks.length > 0 ? { chunks: chunks.length } : { packets: packets.length }),
    ...(unavailable && { waits: "the compliance engine did not answer" }),
    ...(clamped && { clamped: "its time is more than 5 min in the future" }),
    ...(converted.length > 0 && { published: converted.map(eventKey) }),
    ...fileFacts(planned),
    ...(by && { job: by.job, actor: by.actor }),
  };
}

/** Returns the versions of the event's roster files. Their addresses are in the event. */
function fileFacts({ rosters }: Plan): Facts {
  const files = rosters.flatMap((roster) =>
    "fault" in roster ? [] : [{ version: roster.version, bytes: roster.bytes }],
  );
  return files.length > 0 ? { files } : {};
}

const noOutputs: Outputs = { packets: [], converted: [] };

/** Creates an event's record and the first entry of its chain. An `EXPANDED` event is written with all its packets. */
function firstWrite(
  { engine, message, key, acceptance, parsed }: IncomingEvent,
  { status, facts, fields }: FirstState,
  outputs: Outputs = noOutputs,
): PlannedEventWrite {
  const recordedAt = engine.clock.now();
  const entry = append(key, undefined, { at: recordedAt, step: status, facts });
  const digest = parsed.kind === "event" ? { digest: eventDigest(parsed.event, engine.bridgeKey) } : {};
  const defaults = { sheets: [], packets: 0, duplicates: 0, message, ...digest, ...acceptance, recordedAt };
  const value: EventRecord = { ...defaults, ...fields, status, step: entry.step, tail: tailOf(entry) };
  const together = status === "EXPANDED" ? outputs.packets : [];
  const puts: Put[] = [{ kind: "event", id: key, value, etag: 0 }, ...together.map(newPut)];
  const entries = [entry, ...together.map((packet) => packet.entry)];
  return { ...outputs, key, message, value, puts, entries, weight: weigh(puts, entries) };
}

/**
 * Plans the quarantine of an event whose source and id an earlier event with other content has used. Its body is kept
 * as text, so that no job maps it.
 *
 * @param given the write that was planned as if the event were new
 */
export function planReuse(engine: Engine, { key, message, value }: PlannedEventWrite): PlannedEventWrite | undefined {
  const { digest, event } = value;
  if (digest === undefined || !event) return undefined;
  const reason = `its source and id are those of ${key}, which has other content; publish it again with an id of its own`;
  return firstWrite(
    { engine, message, key: reusedKey(key, digest), acceptance: acceptanceOf(value), parsed: { kind: "event", event } },
    { status: "QUARANTINED", facts: { reason }, fields: { raw: bodyText(event).slice(0, maxRawLength), reason } },
  );
}
