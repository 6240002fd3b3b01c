import * as z from "zod";
import { defineConnector } from "../bridge/connector.ts";
import { nest } from "../bridge/path.ts";
import { joinUrl } from "./protocols/http.ts";

/** A commercial HR service: flexible working times, one call an employee or policy. */
export const connector = defineConnector({
  name: "WorkForceNow",
  version: "v1",
  order: "latest",
  idempotent: true,
  config: z.strictObject({
    baseUrl: z.url().default("https://api.workforcenow.example/hr/v1").describe("Where the HR service's API begins."),
  }),
  rate: { concurrency: 10 },

  send(packet, { config, http, signal }) {
    return http.deliver({
      method: "POST",
      url: joinUrl(config.baseUrl, "flex_time"),
      json: { ...nest(packet.fields), external_id: packet.entity },
      idempotencyKey: packet.id,
      signal,
    });
  },

  probe({ config, http, signal }) {
    return http.isAwake(joinUrl(config.baseUrl, "flex_time"), signal);
  },
});
