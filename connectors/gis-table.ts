import * as z from "zod";
import { defineConnector } from "../bridge/model/connector.ts";
import { nest } from "../bridge/values/field-path.ts";
import { applyEdits, arcgisSecretSchema, arcgisTableSchema, layerUrl } from "./protocols/arcgis/feature-table.ts";
import { joinUrl } from "./protocols/http/client.ts";

/**
 * A table behind a GIS dashboard: one row a record, written under the record's own key.
 *
 * Without `arcgis` the table is plain REST, a call a row. With it, it is a layer or table of an ArcGIS feature service,
 * up to ten rows a call; fields are its attributes.
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
      .describe("Where the GIS server's API begins; of ArcGIS the feature service: https://…/FeatureServer."),
    table: z.string().min(1).default("rates").describe("The table's name, where it is plain REST."),
    arcgis: arcgisTableSchema.optional().describe("Which table of an ArcGIS feature service."),
  }),
  secret: arcgisSecretSchema.optional(),
  // Of calls with up to ten rows each.
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
