import { createHmac } from "node:crypto";
import * as z from "zod";
import { defineConnector } from "../bridge/model/connector.ts";
import { delivered } from "../bridge/model/outcome.ts";
import type { Packet } from "../bridge/model/packet.ts";
import { nest } from "../bridge/values/field-path.ts";
import type { JsonObject } from "../bridge/values/json.ts";
import { outcomeOf, outcomeOfError } from "./protocols/http/client.ts";

/** Signing key: 24 to 64 bytes in base64, with the prefix `whsec_`. Source: Standard Webhooks, "Signature scheme". */
const keySchema = z
  .string()
  .regex(/^whsec_[A-Za-z0-9+/]+={0,2}$/, "is not a key such as whsec_…")
  .refine((key) => bytesOf(key).length >= 24 && bytesOf(key).length <= 64, "does not have 24 to 64 bytes");

/**
 * Connector to any HTTPS endpoint. Each packet is sent as one call, signed by the Standard Webhooks scheme.
 *
 * The body is a CloudEvent: `id` is the packet's id, `type` the HMS event's type, `subject` the entity, and `data` the
 * fields; `action` is `upsert` or `delete`. The header `webhook-id` is the packet's id too, the same on every attempt.
 * During a key rotation, the secret has both keys and each call is signed with both.
 */
export const connector = defineConnector({
  name: "WebhookConnector",
  version: "v1",
  order: "latest",
  idempotent: true,
  deletes: true,
  config: z.strictObject({
    url: z.url().default("https://webhooks.gov/hms").describe("The endpoint's URL."),
    anyBody: z
      .boolean()
      .default(false)
      .describe("Accept a 2xx with any body. By default, the body must be empty or JSON."),
  }),
  secret: z.strictObject({ keys: z.array(keySchema).min(1).max(4) }),
  rate: { concurrency: 10 },

  async send(packet, { config, secret, http, signal }) {
    const event = cloudEventOf(packet);
    try {
      const response = await http.request({
        method: "POST",
        url: config.url,
        json: event,
        jsonType: "application/cloudevents+json",
        headers: signatureHeaders(packet.id, Math.floor(Date.now() / 1_000), JSON.stringify(event), secret.keys),
        idempotencyKey: packet.id,
        signal,
      });
      const at = new URL(config.url).pathname;
      const { status } = response;
      if (config.anyBody && status >= 200 && status < 300) return delivered({ at, status });
      return outcomeOf(response, at, event);
    } catch (error) {
      return outcomeOfError(error);
    }
  },

  probe({ config, http, signal }) {
    return http.isAwake(config.url, signal);
  },
});

function cloudEventOf({ id, sheet, target, eventType, entity, action, fields, version }: Packet): JsonObject {
  return {
    specversion: "1.0",
    id,
    source: `/hms-sync-bridge/${encodeURIComponent(sheet)}/${encodeURIComponent(target)}`,
    type: eventType,
    subject: entity,
    time: new Date(version.time).toISOString(),
    ...(version.sequence !== undefined && { sequence: String(version.sequence) }),
    action,
    datacontenttype: "application/json",
    data: nest(fields),
  };
}

/** @param seconds since the epoch */
function signatureHeaders(
  id: string,
  seconds: number,
  body: string,
  keys: readonly string[],
): Readonly<Record<string, string>> {
  const signatures = keys.map((key) => {
    return `v1,${createHmac("sha256", bytesOf(key)).update(`${id}.${seconds}.${body}`).digest("base64")}`;
  });
  return { "webhook-id": id, "webhook-timestamp": String(seconds), "webhook-signature": signatures.join(" ") };
}

function bytesOf(key: string): Buffer {
  return Buffer.from(key.slice("whsec_".length), "base64");
}
