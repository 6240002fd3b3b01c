import * as z from "zod";
import { defineConnector } from "../bridge/model/connector.ts";
import { nest } from "../bridge/values/field-path.ts";
import { applyEdits, arcgisSecretSchema, arcgisTableSchema, layerUrl } from "./protocols/arcgis/feature-table.ts";
import { joinUrl } from "./protocols/http/client.ts";

/**
 * Connector to a table behind a GIS dashboard, with one row per record.
 *
 * Without `arcgis`, the table is a plain REST resource and each row takes one call. With `arcgis`, it is a table or
 * layer of an ArcGIS feature service, and one call writes up to ten rows.
 */
export const connector = defineConnector({
  name: "GISTableConnector",
  version: "v1",
  order: "latest",
  idempotent: true,
  deletes: true,
  config: z.strictObject({
    baseUrl: z
      .url()
      .default("https://gis.gov/api")
      .describe("The base URL of the GIS server's API; for ArcGIS, of the feature service: https://…/FeatureServer."),
    table: z.string().min(1).default("rates").describe("The table's name, for plain REST."),
    arcgis: arcgisTableSchema.optional().describe("The table of an ArcGIS feature service."),
  }),
  secret: arcgisSecretSchema.optional(),
  // Concurrent calls, of up to ten rows each.
  rate: { concurrency: 4 },

  async sendBatch(packets, { config, secret, http, signal }) {
    const { baseUrl, table, arcgis } = config;
    if (arcgis) return applyEdits(packets, { baseUrl, table: arcgis, secret, http, signal });
    return Promise.all(
      packets.map((packet) => {
        const url = joinUrl(baseUrl, "tables", table, "rows", packet.entity);
        const common = { url, idempotencyKey: packet.id, signal };
        return packet.action === "delete"
          ? http.deliver({ ...common, method: "DELETE" })
          : http.deliver({ ...common, method: "PUT", json: nest(packet.fields) });
      }),
    );
  },

  probe({ config: { baseUrl, table, arcgis }, http, signal }) {
    return http.isAwake(arcgis ? layerUrl({ baseUrl, table: arcgis }) : joinUrl(baseUrl, "tables", table), signal);
  },
});
