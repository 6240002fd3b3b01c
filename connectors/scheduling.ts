import * as z from "zod";
import { defineConnector, type HttpRequest } from "../bridge/model/connector.ts";
import type { Packet } from "../bridge/model/packet.ts";
import { nest } from "../bridge/values/field-path.ts";
import { joinUrl } from "./protocols/http/client.ts";
import { deliverIfMatch } from "./protocols/http/if-match.ts";

/**
 * A scheduling service's REST API: a schedule a record, at an address of its own.
 *
 * What has changed is a merge patch, in which null clears (RFC 7396); a sheet's `send: full` replaces the schedule.
 */
export const connector = defineConnector({
  name: "SchedulingConnector",
  version: "v1",
  order: "latest",
  idempotent: true,
  deletes: true,
  config: z.strictObject({
    baseUrl: z.url().default("https://scheduling.gov/api").describe("Where the scheduling service's API begins."),
    ifMatch: z
      .boolean()
      .default(false)
      .describe("Whether a schedule is changed only as it was read, by its ETag: where planners write to it too."),
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
