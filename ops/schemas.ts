import * as z from "zod";
import { eventStatuses, statuses } from "../bridge/model/ledger-entry.ts";
import { maxReason } from "../bridge/operations/operator.ts";
import { dataKinds } from "../bridge/pii/finding.ts";
import type { Json } from "../bridge/values/json.ts";

// Schemas that several operations share.

/** Parses an RFC 3339 time to milliseconds since the epoch. */
export const timeIn = z.iso
  .datetime({ offset: true, error: "is not an RFC 3339 time such as 2026-12-01T00:00:00Z" })
  .transform((text) => Date.parse(text));

export function timeOut(ms: number): string {
  return new Date(ms).toISOString();
}

/** Any JSON value of a packet or an event. It was validated on arrival. */
export const anyJson = z.custom<Json>(() => true);

const time = z.iso.datetime();

export const packetId = z.string().regex(/^pkt-[a-z2-7]{16}$/, "is not a packet id");
export const eventId = z.string().regex(/^evt-[a-z2-7]{16}$/, "is not an event id");
export const name = z.string().min(1).max(256);

/** Filters for packet lists and bulk operations. */
export const packetFilter = {
  connector: name.optional().describe("A connector, such as PayrollConnector or WorkForceNow@v2."),
  sheet: name.optional(),
  event: eventId.optional(),
  entity: z.string().min(1).max(512).optional().describe("The packet's entity key, complete and unmasked."),
  text: z
    .string()
    .min(1)
    .max(100)
    .optional()
    .describe("Text to find in the id, event, type, sheet, target, connector, entity or reason."),
  from: timeIn.optional().describe("Only packets recorded at or after this time."),
  to: timeIn.optional().describe("Only packets recorded before this time."),
};

export const cursor = z
  .string()
  .regex(/^[\w-]{1,512}$/, "is not a cursor")
  .transform((text) => Buffer.from(text, "base64url").toString())
  .optional()
  .describe("The `next` of the previous page.");

export function cursorOut(next: string | undefined): { next?: string } {
  return next === undefined ? {} : { next: Buffer.from(next).toString("base64url") };
}

export const limit = z.coerce
  .number({ error: "is not a whole number from 1 to 200" })
  .int("is not a whole number from 1 to 200")
  .min(1, "is less than 1")
  .max(200, "is more than 200")
  .default(50)
  .describe("The maximum number of items. A page with fewer items is not necessarily the last.");

const next = z.string().optional().describe("Cursor of the next page. Absent on the last page.");

export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next });
}

export const reason = z
  .string()
  .trim()
  .min(1, "is empty; the ledger requires a reason")
  .max(maxReason, `is longer than ${maxReason} characters`)
  .describe("The reason, which is written to the ledger. Personal data in it is masked.");

export const perSecond = z.int().min(1).max(10_000).optional().describe("The maximum number of packets per second.");
export const sheetChoice = z
  .enum(["pinned", "current"])
  .default("pinned")
  .describe("`pinned` keeps the packet as created; `current` maps its event again with the current sheet.");

export const act = z.enum(["edit", "replay", "discard"]);

/** A packet in a list, without field values and with personal data in names masked. */
export const packetSummary = z
  .object({
    id: packetId,
    status: z.enum(statuses),
    connector: z.string(),
    sheet: z.string(),
    target: z.string(),
    entity: z.string().describe("Masked if it looks like personal data."),
    event: z.string(),
    eventType: z.string(),
    action: z.enum(["upsert", "delete"]),
    fieldNames: z.array(z.string()),
    revision: z.int(),
    tries: z.int(),
    recordedAt: time,
    queuedAt: time.describe("Start of the consistency window."),
    windowMs: z.int(),
    nextTryAt: time.optional(),
    sendingUntil: time
      .optional()
      .describe("Lease expiry of the send in progress. If it has passed, the attempt was interrupted and is repeated."),
    closedAt: time.optional(),
    erasedAt: time.optional().describe("Time at which its values were erased, at the end of the retention time."),
    lagMs: z.number().optional().describe("For a closed packet: time from queuedAt to closedAt."),
    place: z.enum(["lane", "outbox", "behind"]).optional().describe("The place in which an open packet waits."),
    behind: z.string().optional(),
    reason: z.string().optional().describe("Reason why the packet waits, is held, or was closed."),
    roundTripMs: z.number().optional(),
    at: z.string().optional().describe("Location at the target. Masked if it looks like personal data."),
    replayOf: z.string().optional(),
    replaces: z.string().optional(),
    replacedBy: z.string().optional(),
    edited: z.boolean(),
    job: z.string().optional(),
    may: z.array(act).describe("Operations that are currently possible."),
  })
  .meta({ id: "PacketSummary" });

export const fieldDecision = z.object({
  field: z.string(),
  action: z.enum(["allow", "mask", "hash", "block"]),
  rule: z.string(),
  /** Present if the compliance engine decided. Absent if the policy did. */
  by: z.literal("compliance").optional(),
  kinds: z.array(z.enum(dataKinds)),
});

export const ledgerStep = z
  .object({
    seq: z.int(),
    at: time,
    step: z.string(),
    sentence: z.string(),
    actor: z.string().optional(),
    facts: z.record(z.string(), anyJson).describe("The ledger's facts: names, hashes, counts and codes."),
  })
  .meta({ id: "LedgerStep" });

export const field = z
  .object({
    name: z.string(),
    value: anyJson,
    before: anyJson.optional().describe("The previous value, from the event or from the packet this one replaces."),
    atTarget: z
      .enum(["this", "another", "unknown"])
      .describe("The value that the target is known to hold: this one, another one, or unknown."),
  })
  .meta({ id: "Field" });

export const packetStory = packetSummary
  .extend({
    etag: z.int().describe("Send it with an edit, so that the second of two concurrent edits is rejected."),
    entity: z.string(),
    fields: z.array(field),
    sheetHash: z.string(),
    sheetIsCurrent: z.boolean(),
    delivery: z
      .object({
        at: z.string().optional(),
        status: z.int().optional(),
        remoteId: z.string().optional(),
        ms: z.number(),
      })
      .optional(),
    answer: z.string().optional().describe("The target's response to a refused packet."),
    story: z.array(ledgerStep),
  })
  .meta({ id: "PacketStory" });

export const eventSummary = z
  .object({
    id: eventId,
    status: z.enum(eventStatuses),
    type: z.string().optional(),
    source: z.string().optional(),
    time: z.string().optional(),
    acceptedAt: time,
    erasedAt: time.optional().describe("Time at which its data was erased, at the end of the retention time."),
    packets: z.int(),
    duplicates: z.int(),
    sheets: z.array(z.string()),
    reason: z.string().optional(),
  })
  .meta({ id: "EventSummary" });

export const eventStory = eventSummary
  .extend({
    eventId: z.string().optional().describe("The id assigned by the publishing service."),
    subject: z.string().optional(),
    sequence: z.int().optional(),
    data: z.record(z.string(), anyJson).optional(),
    raw: z.string().optional().describe("The first characters of a malformed message."),
    story: z.array(ledgerStep),
  })
  .meta({ id: "EventStory" });

export const job = z
  .object({
    id: z.string(),
    kind: z.enum(["replay", "backfill", "bulk"]),
    status: z.enum(["RUNNING", "DONE", "FAILED", "CANCELLED"]),
    actor: z.string(),
    startedAt: time,
    endedAt: time.optional(),
    looked: z.int().describe("Packets, events or lines scanned so far."),
    made: z.int().describe("Packets created or changed so far."),
    perSecond: z.int().optional().describe("The maximum number of packets per second."),
    malformed: z.object({ lines: z.int(), first: z.array(z.string()) }).optional(),
    reason: z.string().optional(),
  })
  .meta({ id: "Job" });

export const triedPacket = z
  .object({
    target: z.string(),
    connector: z.string(),
    entity: z.string(),
    action: z.enum(["upsert", "delete"]),
    fields: z
      .record(z.string(), anyJson)
      .describe("The fields as they would be sent, without those that governance blocks."),
    unchanged: z
      .array(z.string())
      .optional()
      .describe(
        "The fields whose previous value in the event is equal. Sent only if the target is not known to hold it.",
      ),
    nothingNew: z
      .literal(true)
      .optional()
      .describe("Set if nothing is sent to a target that is known to hold the event's previous values."),
    governance: z.array(fieldDecision),
    held: z.string().optional(),
  })
  .meta({ id: "TriedPacket" });

export const jobId = z.string().regex(/^job-[a-z0-9]{1,20}$/, "is not a job id");
