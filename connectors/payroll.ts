import * as z from "zod";
import { defineConnector } from "../bridge/model/connector.ts";
import { nest } from "../bridge/values/field-path.ts";
import { joinUrl } from "./protocols/http/client.ts";
import { deliverIfMatch } from "./protocols/http/if-match.ts";

/** Connector to payroll's REST API, which has one rate table. A packet patches the fields that have changed. */
export const connector = defineConnector({
  name: "PayrollConnector",
  version: "v1",
  order: "latest",
  idempotent: true,
  // Every packet changes the one rate table, whatever its entity.
  resource: "rates",
  config: z.strictObject({
    baseUrl: z.url().default("https://hr.gov/api").describe("The base URL of payroll's API."),
    ifMatch: z.boolean().default(false).describe("Send each change with If-Match, for a table that others write to."),
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
