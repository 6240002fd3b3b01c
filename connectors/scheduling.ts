import * as z from "zod";
import { defineConnector, type HttpRequest } from "../bridge/model/connector.ts";
import type { Packet } from "../bridge/model/packet.ts";
import { nest } from "../bridge/values/field-path.ts";
import { joinUrl } from "./protocols/http/client.ts";
import { deliverIfMatch } from "./protocols/http/if-match.ts";

/**
 * Connector to a scheduling service's REST API, with one schedule per record at a URL of its own.
 *
 * Changed fields are sent as a merge patch, in which null clears a field (RFC 7396). With `send: full` in the sheet, a
 * PUT replaces the schedule.
 */
export const connector = defineConnector({
  name: "SchedulingConnector",
  version: "v1",
  order: "latest",
  idempotent: true,
  deletes: true,
  config: z.strictObject({
    baseUrl: z.url().default("https://scheduling.gov/api").describe("The base URL of the scheduling service's API."),
    ifMatch: z
      .boolean()
      .default(false)
      .describe("Send each change with If-Match, for schedules that planners write to."),
  }),
  secret: z.strictObject({ token: z.string().min(1) }).optional(),
  rate: { concurrency: 10 },

  send(packet, { config, secret, http, signal }) {
    const request = {
      ...changeOf(packet),
      url: joinUrl(config.baseUrl, "v1", "schedules", packet.entity),
      headers: { ...(secret && { authorization: `Bearer ${secret.token}` }) },
      idempotencyKey: packet.id,
      signal,
    };
    return config.ifMatch ? deliverIfMatch(http, request) : http.deliver(request);
  },

  probe({ config, http, signal }) {
    return http.isAwake(joinUrl(config.baseUrl, "v1", "schedules"), signal);
  },
});

function changeOf({ action, send, fields }: Packet): Pick<HttpRequest, "method" | "json" | "jsonType"> {
  if (action === "delete") return { method: "DELETE" };
  const json = nest(fields);
  return send === "full"
    ? { method: "PUT", json }
    : { method: "PATCH", json, jsonType: "application/merge-patch+json" };
}
