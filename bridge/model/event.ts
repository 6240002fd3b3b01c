import { hash, type KeyObject } from "node:crypto";
import * as z from "zod";
import { canonicalJson } from "../values/canonical-json.ts";
import { keyedHash, shortId } from "../values/ids.ts";
import { isJsonObject, type JsonObject, jsonIssue } from "../values/json.ts";

/** Largest accepted event, as UTF-8 JSON. Source: Amazon EventBridge and SQS quotas, 1 MiB. */
export const maxEventBytes = 1_048_576;

/** Prefix of the type of an event from an outside system, followed by the connector's name. */
export const inboundPrefix = "inbound.";

/** Prefix of the source of an HMS event converted from an inbound message, followed by the connector's name. */
export const convertedSource = `hms.${inboundPrefix}`;

/** Schema of an id, source, type or subject: no control characters, and short enough for an index. */
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
 * CloudEvents 1.0 attributes, as HMS services publish them. Other extension attributes are ignored and dropped.
 * Source: CloudEvents 1.0, "Context Attributes"; `sequence` is a documented extension.
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

/** A change published by an HMS service, or a message from an outside system. */
export interface SourceEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject?: string | undefined;
  /** RFC 3339. If absent, the time of acceptance is used. */
  readonly time?: string | undefined;
  /** Orders the events of one source more reliably than a clock. */
  readonly sequence?: number | undefined;
  /** Name of the connector whose outside system made the change. The change is not sent back to it. */
  readonly origin?: string | undefined;
  /** Reason a message from an outside system is quarantined. */
  readonly unreadable?: string | undefined;
  readonly data: JsonObject;
}

/** Result of parsing one message: an event, or the reason for its quarantine. */
export type ParsedMessage =
  | { readonly kind: "event"; readonly event: SourceEvent }
  | { readonly kind: "malformed"; readonly reason: string };

const encoder = new TextEncoder();

/**
 * Parses and checks one event. Never throws.
 *
 * The reason for a malformed event names the attribute and the rule, and never contains a value.
 */
export function parseEvent(body: string): ParsedMessage {
  // A UTF-16 unit takes at least one byte, so a body with more units than the limit need not be encoded.
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

/** Checks a parsed JSON value like `parseEvent`, except for its size. */
export function checkEvent(raw: unknown): ParsedMessage {
  const unsafe = jsonIssue(raw);
  if (unsafe) return malformed(unsafe);
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
 * Derives the bridge's key of an event from its source and id. In CloudEvents, only the two together are unique.
 *
 * Form: `evt-` and 16 base32 characters.
 */
export function eventKey(event: Pick<SourceEvent, "source" | "id">): string {
  return `evt-${shortId(event.source, event.id)}`;
}

/** Derives the key of a quarantined body. Equal bodies have the same key and therefore share one record. */
export function quarantineKey(body: string): string {
  return `evt-${shortId("malformed", hash("sha256", body))}`;
}

/**
 * Hashes the content of an event with a key. A repeated event has the same digest.
 *
 * Its time does not count: a sender that repeats an event may set the time of the attempt. Nor does the sequence of a
 * message from an outside system, because each poll numbers its messages again.
 */
export function eventDigest(event: SourceEvent, bridgeKey: KeyObject): string {
  return keyedHash(bridgeKey, "event-content", contentText(event));
}

/** Returns true if two events with the same source and id have the same content. */
export function isSameContent(one: SourceEvent, other: SourceEvent): boolean {
  return contentText(one) === contentText(other);
}

function contentText({ type, subject, sequence, origin, data }: SourceEvent): string {
  return canonicalJson({
    data,
    ...(origin !== undefined && { origin }),
    ...(sequence !== undefined && !type.startsWith(inboundPrefix) && { sequence }),
    ...(subject !== undefined && { subject }),
    type,
  });
}

/** Derives the key of an event whose source and id an earlier event with other content has used. */
export function reusedKey(key: string, digest: string): string {
  return `evt-${shortId("reused", key, digest)}`;
}
