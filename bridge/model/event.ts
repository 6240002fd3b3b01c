import { hash } from "node:crypto";
import * as z from "zod";
import { shortId } from "../values/ids.ts";
import { isJsonObject, type JsonObject, jsonIssue } from "../values/json.ts";

/** The largest event the door takes, as UTF-8 JSON. Source: Amazon EventBridge and SQS quotas, 1 MiB. */
export const maxEventBytes = 1_048_576;

/** What an outside system says arrives as an event of this type, with the connector's name behind it. */
export const inboundPrefix = "inbound.";

/** What the source of an HMS event begins with that was made of such a message; its connector's name follows. */
export const convertedSource = `hms.${inboundPrefix}`;

/** An id, source, type or subject: printable, of a length an index can hold. */
const attribute = (max: number) =>
  z
    .string("is not text")
    .min(1, "is empty")
    .max(max, `is longer than ${max} characters`)
    .refine((text) => !/\p{Cc}/u.test(text), "has control characters")
    .refine((text) => text.isWellFormed(), "is not well-formed Unicode");

const sequence = z.union(
  [
    z.int().nonnegative(),
    z
      .string()
      .regex(/^\d{1,15}$/)
      .transform(Number),
  ],
  "is not a whole number of at most 15 digits",
);

/**
 * CloudEvents 1.0 attributes, as HMS services publish them. Other extension attributes are let through and dropped.
 * Source: CloudEvents 1.0, "Context Attributes"; `sequence` is its documented extension.
 */
const sourceEventSchema = z.object({
  specversion: z.literal("1.0", `is not "1.0"`).optional(),
  id: attribute(256),
  source: attribute(256),
  type: attribute(256),
  subject: attribute(512).optional(),
  time: z.iso.datetime({ offset: true, error: "is not an RFC 3339 time" }).optional(),
  sequence: sequence.optional(),
  origin: attribute(64).optional(),
  unreadable: z.string().optional(),
  data: z.custom<JsonObject>(isJsonObject, "is not an object"),
});

/** A change published by an HMS service. */
export interface SourceEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject?: string | undefined;
  /** RFC 3339. Absent: the time of acceptance counts. */
  readonly time?: string | undefined;
  /** Orders the events of one source better than a clock does. */
  readonly sequence?: number | undefined;
  /** The outside system the change came from, by its connector's name: it is not sent back there. */
  readonly origin?: string | undefined;
  /** Of what an outside system said: why it is to be quarantined and not read. */
  readonly unreadable?: string | undefined;
  readonly data: JsonObject;
}

/** What the door made of one message: an event, or the reason it is quarantined. */
export type ParsedMessage =
  | { readonly kind: "event"; readonly event: SourceEvent }
  | { readonly kind: "malformed"; readonly reason: string };

const encoder = new TextEncoder();

/**
 * The door for events: text in, a checked event or a reason out. Never throws.
 *
 * The reason names the attribute and the rule, and never repeats a value.
 */
export function parseEvent(body: string): ParsedMessage {
  // A UTF-16 unit takes at least one byte, so a longer text need not be encoded to be too long.
  const bytes = body.length > maxEventBytes ? body.length : encoder.encode(body).length;
  if (bytes > maxEventBytes) {
    return malformed(`the event is larger than ${maxEventBytes} bytes; publish a reference to the data instead`);
  }
  let raw: unknown;
  try {
    raw = JSON.parse(body);
  } catch {
    return malformed("the event is not JSON");
  }
  return checkEvent(raw);
}

export function checkEvent(raw: unknown): ParsedMessage {
  const fault = jsonIssue(raw);
  if (fault) return malformed(fault);
  const parsed = sourceEventSchema.safeParse(raw);
  if (parsed.success) {
    const { specversion: _, unreadable, ...event } = parsed.data;
    if (unreadable !== undefined && event.type.startsWith(inboundPrefix)) return malformed(unreadable);
    return { kind: "event", event: event as SourceEvent };
  }
  const issue = parsed.error.issues[0];
  const where = issue?.path.join(".") || "the event";
  const [name] = issue?.path ?? [];
  if (name !== undefined && isJsonObject(raw) && !Object.hasOwn(raw, name)) return malformed(`${where}: is missing`);
  return malformed(`${where}: ${issue?.message ?? "is not a CloudEvent"}`);
}

function malformed(reason: string): ParsedMessage {
  return { kind: "malformed", reason };
}

/**
 * The bridge's own name for an event: CloudEvents says that source and id together are unique, and neither alone.
 *
 * `evt-` and 16 base32 characters.
 */
export function eventKey(event: Pick<SourceEvent, "source" | "id">): string {
  return `evt-${shortId(event.source, event.id)}`;
}

/** The key a malformed body is quarantined under, so that the same body arriving twice is one record. */
export function quarantineKey(body: string): string {
  return `evt-${shortId("malformed", hash("sha256", body))}`;
}
