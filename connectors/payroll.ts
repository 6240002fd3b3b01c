import * as z from "zod";
import { defineConnector } from "../bridge/model/connector.ts";
import { nest } from "../bridge/values/field-path.ts";
import { joinUrl } from "./protocols/http/client.ts";
import { deliverIfMatch } from "./protocols/http/if-match.ts";

/** Payroll's REST API: one rate table, changed field by field. */
export const connector = defineConnector({
  name: "PayrollConnector",
  version: "v1",
  order: "latest",
  idempotent: true,
  // Whatever an event is about, it changes the one rate table.
  resource: "rates",
  config: z.strictObject({
    baseUrl: z.url().default("https://hr.gov/api").describe("Where payroll's API begins."),
    ifMatch: z
      .boolean()
      .default(false)
      .describe("Whether the table is changed only as it was read, by its ETag: where others write to it too."),
  }),
  rate: { concurrency: 10 },

  send(packet, { config, http, signal }) {
    const request = {
      method: "PATCH",
      url: joinUrl(config.baseUrl, "v2", "rates"),
      json: nest(packet.fields),
      idempotencyKey: packet.id,
      signal,
    } as const;
    return config.ifMatch ? deliverIfMatch(http, request) : http.deliver(request);
  },

  probe({ config, http, signal }) {
    return http.isAwake(joinUrl(config.baseUrl, "v2", "rates"), signal);
  },
});
