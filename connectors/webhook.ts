import { createHmac } from "node:crypto";
import * as z from "zod";
import { defineConnector } from "../bridge/model/connector.ts";
import { delivered } from "../bridge/model/outcome.ts";
import type { Packet } from "../bridge/model/packet.ts";
import { nest } from "../bridge/values/field-path.ts";
import type { JsonObject } from "../bridge/values/json.ts";
import { outcomeOf, outcomeOfError } from "./protocols/http/client.ts";

/** A key as it is handed out: its bytes in base64, 24 to 64 of them. Source: Standard Webhooks, "Signature scheme". */
const keySchema = z
  .string()
  .regex(/^whsec_[A-Za-z0-9+/]+={0,2}$/, "is not a key such as whsec_…")
  .refine((key) => bytesOf(key).length >= 24 && bytesOf(key).length <= 64, "has not 24 to 64 bytes");

/**
 * Any HTTPS endpoint, called for every packet with a signature that it can check (Standard Webhooks).
 *
 * The body is a CloudEvent: `id` the packet's, `type` that of the HMS event, `subject` the record, `data` the fields;
 * `action` is `upsert` or `delete`. `webhook-id` is the packet's id too, the same at every try. While a key is changed
 * for another the secret holds both, and a call is signed with each.
 */
export const connector = defineConnector({
  name: "WebhookConnector",
  version: "v1",
  order: "latest",
  idempotent: true,
  deletes: true,
  config: z.strictObject({
    url: z.url().default("https://webhooks.gov/hms").describe("The endpoint."),
    anyBody: z
      .boolean()
      .default(false)
      .describe("Whether a 2xx is believed whatever its body; else it must have none, or JSON."),
  }),
  secret: z.strictObject({ keys: z.array(keySchema).min(1).max(4) }),
  rate: { concurrency: 10 },

  async send(packet, { config, secret, http, signal }) {
    const event = cloudEventOf(packet);
    try {
      const answer = await http.request({
        method: "POST",
        url: config.url,
        json: event,
        jsonType: "application/cloudevents+json",
        headers: signed(packet.id, Math.floor(Date.now() / 1_000), JSON.stringify(event), secret.keys),
        idempotencyKey: packet.id,
        signal,
      });
      const at = new URL(config.url).pathname;
      const { status } = answer;
      if (config.anyBody && status >= 200 && status < 300) return delivered({ at, status });
      return outcomeOf(answer, at, event);
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
function signed(id: string, seconds: number, body: string, keys: readonly string[]): Readonly<Record<string, string>> {
  const signatures = keys.map((key) => {
    return `v1,${createHmac("sha256", bytesOf(key)).update(`${id}.${seconds}.${body}`).digest("base64")}`;
  });
  return { "webhook-id": id, "webhook-timestamp": String(seconds), "webhook-signature": signatures.join(" ") };
}

function bytesOf(key: string): Buffer {
  return Buffer.from(key.slice("whsec_".length), "base64");
}
