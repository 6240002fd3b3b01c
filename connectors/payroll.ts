import * as z from "zod";
import { defineConnector } from "../bridge/connector.ts";
import { nest } from "../bridge/path.ts";
import { joinUrl } from "./protocols/http.ts";

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
  }),
  rate: { concurrency: 10 },

  send(packet, { config, http, signal }) {
    return http.deliver({
      method: "PATCH",
      url: joinUrl(config.baseUrl, "v2", "rates"),
      json: nest(packet.fields),
      idempotencyKey: packet.id,
      signal,
    });
  },

  probe({ config, http, signal }) {
    return http.isAwake(joinUrl(config.baseUrl, "v2", "rates"), signal);
  },
});
