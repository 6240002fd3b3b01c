import type * as z from "zod";
import type { PreviewedPacket } from "../bridge/mapping/try-sheet.ts";
import { acceptanceOf } from "../bridge/model/acceptance.ts";
import type { EventRecord } from "../bridge/model/event-record.ts";
import type { Job } from "../bridge/model/job.ts";
import { isClosed, type LedgerEntry } from "../bridge/model/ledger-entry.ts";
import type { PacketRecord, Progress } from "../bridge/model/packet-record.ts";
import { sentenceOf } from "../bridge/observability/describe.ts";
import { redactName, withoutPersonalData } from "../bridge/pii/redact.ts";
import type { FoundEvent } from "../bridge/ports/store.ts";
import {
  type eventSummary,
  type job,
  type ledgerStep,
  type packetSummary,
  timeOut,
  type triedPacket,
} from "./schemas.ts";

// Converts stored records to API responses.

export function summaryOf(record: PacketRecord): z.input<typeof packetSummary> {
  const { packet, progress, recordedAt } = record;
  const { status, nextTryAt, lease, closedAt, erasedAt, reason, delivery, replacedBy, place, behind } = progress;
  const { replayOf, replaces, job } = packet;
  return {
    id: packet.id,
    status,
    connector: packet.connector,
    sheet: packet.sheet,
    target: packet.target,
    entity: withoutPersonalData(packet.entity),
    event: packet.event,
    eventType: packet.eventType,
    action: packet.action,
    fieldNames: Object.keys(packet.fields),
    revision: packet.version.revision,
    tries: progress.tries,
    recordedAt: timeOut(recordedAt),
    queuedAt: timeOut(progress.queuedAt),
    windowMs: packet.windowMs,
    ...(nextTryAt !== undefined && { nextTryAt: timeOut(nextTryAt) }),
    ...(lease && { sendingUntil: timeOut(lease.until) }),
    ...(closedAt !== undefined && { closedAt: timeOut(closedAt), lagMs: Math.max(0, closedAt - progress.queuedAt) }),
    ...(erasedAt !== undefined && { erasedAt: timeOut(erasedAt) }),
    ...(!isClosed(status) && status !== "HELD" && { place, ...(behind !== undefined && { behind }) }),
    ...(reason !== undefined && { reason: withoutPersonalData(reason) }),
    ...(delivery && { roundTripMs: delivery.ms }),
    ...(delivery?.at !== undefined && { at: withoutPersonalData(delivery.at) }),
    ...(replayOf !== undefined && { replayOf }),
    ...(replaces !== undefined && { replaces }),
    ...(replacedBy !== undefined && { replacedBy }),
    edited: packet.edited ?? false,
    ...(job !== undefined && { job }),
    may: mayOf(progress),
  };
}

function mayOf({ status, lease, replacedBy, erasedAt }: Progress): ("edit" | "replay" | "discard")[] {
  if (status === "HELD") return ["edit", "replay", "discard"];
  if (!isClosed(status)) return lease ? [] : ["discard"];
  return status === "DISCARDED" || replacedBy !== undefined || erasedAt !== undefined ? [] : ["replay"];
}

export function stepOf(entry: LedgerEntry): z.input<typeof ledgerStep> {
  const { seq, at, step, facts } = entry;
  const actor = typeof facts.actor === "string" ? { actor: facts.actor } : {};
  return { seq, at: timeOut(at), step, sentence: sentenceOf(entry), ...actor, facts };
}

export function eventSummaryOf({ key, value }: Pick<FoundEvent, "key" | "value">): z.input<typeof eventSummary> {
  const { event, erased, status, packets, duplicates, sheets, reason }: EventRecord = value;
  const { type, source } = event ?? erased ?? {};
  return {
    id: key,
    status,
    ...(type !== undefined && { type: redactName(type) }),
    ...(source !== undefined && { source: redactName(source) }),
    ...(event?.time !== undefined && { time: event.time }),
    acceptedAt: timeOut(acceptanceOf(value).acceptedAt),
    ...(erased && { erasedAt: timeOut(erased.at) }),
    packets,
    duplicates,
    sheets: sheets.map((sheet) => sheet.name),
    ...(reason !== undefined && { reason }),
  };
}

export function jobOf(record: Job): z.input<typeof job> {
  const { id, kind, status, actor, startedAt, endedAt, looked, made, perSecond, malformed, reason } = record;
  return {
    id,
    kind,
    status,
    actor,
    startedAt: timeOut(startedAt),
    ...(endedAt !== undefined && { endedAt: timeOut(endedAt) }),
    looked,
    made,
    ...(perSecond !== undefined && { perSecond }),
    ...(malformed && { malformed: { lines: malformed.lines, first: [...malformed.first] } }),
    ...(reason !== undefined && { reason }),
  };
}

/** Omits fields that governance blocks. `governance` still names them. */
export function triedOf(packet: PreviewedPacket): z.input<typeof triedPacket> {
  const blocked = new Set(packet.governance.flatMap(({ action, field }) => (action === "block" ? [field] : [])));
  const fields = Object.fromEntries(Object.entries(packet.fields).filter(([field]) => !blocked.has(field)));
  const governance = packet.governance.map((decision) => ({ ...decision, kinds: [...decision.kinds] }));
  const { unchanged, ...rest } = packet;
  return {
    ...rest,
    ...(unchanged && { unchanged: [...unchanged] }),
    entity: withoutPersonalData(packet.entity),
    fields,
    governance,
  };
}
