import * as z from "zod";
import { eventStatuses, statuses } from "../bridge/model/ledger-entry.ts";
import { maxReason } from "../bridge/operations/operator.ts";
import { dataKinds } from "../bridge/pii/finding.ts";
import type { Json } from "../bridge/values/json.ts";

/** Shapes that several operations share. */

/** RFC 3339 on the wire, ms since the epoch inside. */
export const timeIn = z.iso
  .datetime({ offset: true, error: "is not an RFC 3339 time such as 2026-12-01T00:00:00Z" })
  .transform((text) => Date.parse(text));

export function timeOut(ms: number): string {
  return new Date(ms).toISOString();
}

/** A value as it stands in a packet or an event: anything JSON can carry, and checked when it came in. */
export const anyJson = z.custom<Json>(() => true);

const time = z.iso.datetime();

export const packetId = z.string().regex(/^pkt-[a-z2-7]{16}$/, "is no packet's id");
export const eventId = z.string().regex(/^evt-[a-z2-7]{16}$/, "is no event's id");
export const name = z.string().min(1).max(256);

/** What a list of packets, and a bulk act, can be narrowed to. */
export const packetFilter = {
  connector: name.optional().describe("PayrollConnector, WorkForceNow@v2"),
  sheet: name.optional(),
  event: eventId.optional(),
  entity: z.string().min(1).max(512).optional().describe("The record, whole and as it stands in the packet."),
  text: z
    .string()
    .min(1)
    .max(100)
    .optional()
    .describe("Stands in id, event, type, sheet, target, connector, entity or reason."),
  from: timeIn.optional().describe("Recorded from, inclusive."),
  to: timeIn.optional().describe("Recorded before."),
};

export const cursor = z
  .string()
  .regex(/^[\w-]{1,512}$/, "is no cursor")
  .transform((text) => Buffer.from(text, "base64url").toString())
  .optional()
  .describe("A page's `next`.");

export function cursorOut(next: string | undefined): { next?: string } {
  return next === undefined ? {} : { next: Buffer.from(next).toString("base64url") };
}

export const limit = z.coerce
  .number({ error: "is not a whole number from 1 to 200" })
  .int("is not a whole number from 1 to 200")
  .min(1, "is less than 1")
  .max(200, "is more than 200")
  .default(50)
  .describe("At most so many. A page may have fewer, and still a next one.");

const next = z.string().optional().describe("Where the next page begins; absent behind the last.");

export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next });
}

export const reason = z
  .string()
  .trim()
  .min(1, "is empty; it goes into the ledger")
  .max(maxReason, `is longer than ${maxReason} characters`)
  .describe("Why, in your own words: it goes into the ledger. Personal data in it is masked.");

export const perSecond = z.int().min(1).max(10_000).optional().describe("So many packets a second at most.");
export const whichSheet = z
  .enum(["pinned", "current"])
  .default("pinned")
  .describe("As it was made, or what today's sheet makes of its event.");

export const act = z.enum(["edit", "replay", "discard"]);

/** A packet as lists show it: no value of a field, and of its names none that a detector knows as personal data. */
export const packetSummary = z
  .object({
    id: packetId,
    status: z.enum(statuses),
    connector: z.string(),
    sheet: z.string(),
    target: z.string(),
    entity: z.string().describe("Masked where it looks like personal data."),
    event: z.string(),
    eventType: z.string(),
    action: z.enum(["upsert", "delete"]),
    fieldNames: z.array(z.string()),
    revision: z.int(),
    tries: z.int(),
    recordedAt: time,
    queuedAt: time.describe("Since when its consistency window counts."),
    windowMs: z.int(),
    nextTryAt: time.optional(),
    sendingUntil: time.optional().describe("Of one that is being sent; past: a try broke off, and another follows."),
    closedAt: time.optional(),
    erasedAt: time.optional().describe("When its values were erased, being old."),
    lagMs: z.number().optional().describe("Of a closed packet: from queuedAt to closedAt."),
    place: z.enum(["lane", "outbox", "behind"]).optional().describe("Where an open packet waits."),
    behind: z.string().optional(),
    reason: z.string().optional().describe("Why it waits, is held, or ended as it did."),
    roundTripMs: z.number().optional(),
    at: z.string().optional().describe("Where it landed. Masked where it looks like personal data."),
    replayOf: z.string().optional(),
    replaces: z.string().optional(),
    replacedBy: z.string().optional(),
    edited: z.boolean(),
    job: z.string().optional(),
    may: z.array(act).describe("What can be done to it now."),
  })
  .meta({ id: "PacketSummary" });

export const fieldDecision = z.object({
  field: z.string(),
  action: z.enum(["allow", "mask", "hash", "block"]),
  rule: z.string(),
  /** Who decided: the policy, if not said. */
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
    facts: z.record(z.string(), anyJson).describe("As the ledger has them: names, hashes, counts and codes."),
  })
  .meta({ id: "LedgerStep" });

export const field = z
  .object({
    name: z.string(),
    value: anyJson,
    before: anyJson.optional().describe("As the event, or the packet this one replaces, gave it before."),
    atTarget: z
      .enum(["this", "another", "unknown"])
      .describe("What the bridge believes the target to hold: this value, another, or nobody knows."),
  })
  .meta({ id: "Field" });

export const packetStory = packetSummary
  .extend({
    etag: z.int().describe("To be given with an edit: so the second of two editors is told."),
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
    answer: z.string().optional().describe("The target's answer to a refused packet."),
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
    erasedAt: time.optional().describe("When what it said was erased, being old."),
    packets: z.int(),
    duplicates: z.int(),
    sheets: z.array(z.string()),
    reason: z.string().optional(),
  })
  .meta({ id: "EventSummary" });

export const eventStory = eventSummary
  .extend({
    eventId: z.string().optional().describe("The id its service gave it."),
    subject: z.string().optional(),
    sequence: z.int().optional(),
    data: z.record(z.string(), anyJson).optional(),
    raw: z.string().optional().describe("How a malformed message begins."),
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
    looked: z.int(),
    made: z.int(),
    perSecond: z.int().optional(),
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
    fields: z.record(z.string(), anyJson).describe("As they would leave; what governance blocks is not shown."),
    governance: z.array(fieldDecision),
    held: z.string().optional(),
  })
  .meta({ id: "TriedPacket" });

export const jobId = z.string().regex(/^job-[a-z0-9]{1,20}$/, "is no job's id");
