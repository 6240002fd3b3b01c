import * as z from "zod";
import { defineConnector } from "../bridge/connector.ts";
import { nest } from "../bridge/path.ts";
import { joinUrl } from "./protocols/http.ts";

/** A table behind a GIS dashboard: one row a record, written under the record's own key. */
export const connector = defineConnector({
  name: "GISTableConnector",
  version: "v1",
  order: "latest",
  idempotent: true,
  deletes: true,
  config: z.strictObject({
    baseUrl: z.url().default("https://gis.gov/api").describe("Where the GIS server's API begins."),
    table: z.string().min(1).default("rates").describe("The table's name."),
  }),
  rate: { concurrency: 10 },

  send(packet, { config, http, signal }) {
    const url = joinUrl(config.baseUrl, "tables", config.table, "rows", packet.entity);
    const common = { url, idempotencyKey: packet.id, signal };
    return packet.action === "delete"
      ? http.deliver({ ...common, method: "DELETE" })
      : http.deliver({ ...common, method: "PUT", json: nest(packet.fields) });
  },

  probe({ config, http, signal }) {
    return http.isAwake(joinUrl(config.baseUrl, "tables", config.table), signal);
  },
});
