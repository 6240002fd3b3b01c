import { timingSafeEqual } from "node:crypto";
import type { Engine } from "../engine.ts";
import type { InboundMessage } from "../model/connector.ts";
import { checkEvent, eventKey, inboundPrefix, isSameContent, quarantineKey, type SourceEvent } from "../model/event.ts";
import type { EventRecord } from "../model/event-record.ts";
import { enqueueEvents } from "../recording/enqueue.ts";
import { bodyText, isJsonObject, type JsonObject } from "../values/json.ts";
import { signatureOf, signingSecretSchema } from "../values/webhook-signature.ts";

/** Largest message the endpoint accepts. */
export const maxInboundBytes = 262_144;

/** Maximum deviation of a message's timestamp from the clock. Source: Standard Webhooks, "Verifying timestamp". */
const toleranceMs = 5 * 60_000;

/** The parts of the engine that the endpoint needs. */
export type InboundContext = Pick<Engine, "clock" | "store" | "queue" | "secrets" | "catalog" | "log">;

/** One HTTP request to the endpoint. */
export interface InboundCall {
  /** The connector's name, from the path. */
  readonly connector: string;
  readonly header: (name: string) => string | undefined;
  readonly body: Uint8Array;
}

/** Response of the endpoint. It never reveals whether name, secret or signature was wrong. */
export type InboundAnswer =
  /** Also for a message under the id of an earlier one with another body. The mapper quarantines it. */
  | { readonly status: 202; readonly event: string }
  /** The same message was received before; nothing is queued. */
  | { readonly status: 200; readonly event: string }
  | { readonly status: 400 | 401 | 413 | 415; readonly message: string };

/** Name of the secret that holds the signing keys of a connector's inbound messages. */
export function inboundSecretName(connector: string): string {
  return `${connector}/inbound`;
}

/**
 * Receives a signed webhook and queues it as an event of type `inbound.<connector>`.
 *
 * Every signed JSON object is recorded, whether or not a sheet maps it. A redelivered message counts once. A message
 * with the id of an earlier one and another body is queued too, to be quarantined: an error would make its sender repeat
 * it for days.
 *
 * Source: Standard Webhooks 1.0: `webhook-id`, `webhook-timestamp`, `webhook-signature`.
 *
 * @throws if the event could not be stored; the sender must retry
 */
export async function receiveWebhook(engine: InboundContext, call: InboundCall): Promise<InboundAnswer> {
  if (call.body.byteLength > maxInboundBytes) {
    return { status: 413, message: `the message is larger than ${maxInboundBytes} bytes` };
  }
  const signed = await verifySignature(engine, call);
  if (!signed)
    return { status: 401, message: "the message has no valid signature, or its timestamp is too old or too new" };
  if (!/^application\/([\w.+-]+\+)?json\b/i.test(call.header("content-type") ?? "")) {
    return { status: 415, message: "the message must be application/json" };
  }
  const data = jsonIn(call.body);
  if (data === undefined) return { status: 400, message: "the message is not a JSON object in UTF-8" };
  const event = inboundEvent(call.connector, { ...signed, data });
  // An event that the mapper will quarantine is stored under a key derived from its body.
  const key = checkEvent(event).kind === "event" ? eventKey(event) : quarantineKey(bodyText(event));
  const [known] = await engine.store.read("event", [key]);
  if (known && isRepeat(event, known.value)) return { status: 200, event: key };
  await enqueueEvents(engine.queue, [event]);
  engine.log({ step: "inbound", connector: call.connector, event: key });
  return { status: 202, event: key };
}

/**
 * Returns true if a message certainly has the content that its id had before. The mapper, which has the bridge's key,
 * compares any other message with the recorded digest, and quarantines it if its content is another.
 */
function isRepeat(event: SourceEvent, known: EventRecord): boolean {
  // A malformed message has a key that is derived from its body, and no event.
  if (checkEvent(event).kind === "malformed") return true;
  return known.event !== undefined && isSameContent(event, known.event);
}

/** Id and time of a message whose signature is valid. */
interface VerifiedMessage {
  readonly id: string;
  /** Time of the message, in ms since the epoch. */
  readonly at: number;
}

/** Tries every key and compares in constant time, so the duration of a refusal reveals nothing about a key. */
async function verifySignature(
  engine: InboundContext,
  { connector, header, body }: InboundCall,
): Promise<VerifiedMessage | undefined> {
  const id = header("webhook-id") ?? "";
  const seconds = header("webhook-timestamp") ?? "";
  const given = (header("webhook-signature") ?? "").split(" ").slice(0, 8);
  if (!isKnown(engine, connector) || !/^[\x21-\x7e]{1,200}$/.test(id) || !/^\d{1,12}$/.test(seconds)) return undefined;
  const at = Number(seconds) * 1_000;
  if (Math.abs(engine.clock.now() - at) > toleranceMs) return undefined;
  const secret = signingSecretSchema.safeParse(await engine.secrets.get(inboundSecretName(connector)));
  if (!secret.success) return undefined;
  let isValid = false;
  for (const key of secret.data.keys) {
    const expected = signatureOf(key, { id, seconds, body });
    for (const signature of given) {
      const [version, text = ""] = signature.split(",");
      const received = Buffer.from(text, "base64");
      if (version === "v1" && received.length === expected.length && timingSafeEqual(received, expected))
        isValid = true;
    }
  }
  return isValid ? { id, at } : undefined;
}

function isKnown({ catalog }: InboundContext, connector: string): boolean {
  return catalog.ids.some((id) => id.split("@")[0] === connector);
}

function jsonIn(body: Uint8Array): JsonObject | undefined {
  try {
    const data: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    return isJsonObject(data) ? data : undefined;
  } catch {
    return undefined;
  }
}

/** Converts a message from an outside system to an event. The mapper validates it like every other event. */
export function inboundEvent(connector: string, { id, at, data, unreadable }: InboundMessage): SourceEvent {
  const type = `${inboundPrefix}${connector}`;
  const time = new Date(at).toISOString();
  return { id, source: type, type, time, data, ...(unreadable !== undefined && { unreadable }) };
}
