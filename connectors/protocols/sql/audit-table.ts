import * as z from "zod";
import { type Connector, defineConnector } from "../../../bridge/model/connector.ts";
import { delivered } from "../../../bridge/model/outcome.ts";
import type { Packet } from "../../../bridge/model/packet.ts";
import {
  type Bind,
  type Dialect,
  databaseConfig,
  emptyInsert,
  identifier,
  inSchema,
  type Login,
  quoted,
  tlsRule,
} from "./dialect.ts";
import { canRun, databaseConnector, SessionPool, sendInTransaction } from "./session-pool.ts";

const configSchema = z
  .strictObject({
    ...databaseConfig,
    table: identifier.optional().describe("The table. Default: hms_audit."),
  })
  .refine(...tlsRule);

type Config = z.output<typeof configSchema>;

/**
 * Creates a connector to an append-only audit table. It inserts one row per packet, in each record's order, and never
 * changes a row, so its login needs only INSERT. The DDL is in docs/sql.
 *
 * The packet's id is the table's key, so a repeated packet adds no second row.
 */
export function auditTableConnector(name: string, dialect: Dialect): Connector<Config, Login> {
  const pool = new SessionPool(dialect);
  return defineConnector({
    ...databaseConnector,
    name,
    order: "strict",
    config: configSchema,
    sendBatch(packets, context) {
      const { table = "hms_audit" } = context.config;
      return sendInTransaction(pool, packets, context, async (packet, session) => {
        const row = columns.map(([name, bind]) => ({ name: dialect.ownName(name), bind: bind(packet) }));
        await session.insert(tableOf(context.config, dialect), row);
        return delivered({ at: table, remoteId: packet.id });
      });
    },
    probe(context) {
      const names = columns.map(([name]) => dialect.ownName(name));
      return canRun(pool, context, [emptyInsert(dialect, tableOf(context.config, dialect), names)]);
    },
  });
}

function tableOf({ schema, table }: Config, dialect: Dialect): string {
  return inSchema(schema, table === undefined ? dialect.ownName("hms_audit") : quoted(table));
}

/** Columns of the audit table. `accepted` orders changes with the same time. */
const columns: readonly (readonly [name: string, bind: (packet: Packet) => Bind])[] = [
  ["packet_id", ({ id }) => ({ type: "text", value: id })],
  ["event_type", ({ eventType }) => ({ type: "text", value: eventType })],
  ["entity", ({ entity }) => ({ type: "text", value: entity })],
  ["action", ({ action }) => ({ type: "text", value: action })],
  ["source", ({ version }) => ({ type: "text", value: version.source })],
  ["sequence", ({ version }) => ({ type: "number", value: version.sequence ?? null })],
  ["changed_at", ({ version }) => ({ type: "timestamp", value: new Date(version.time).toISOString() })],
  ["accepted", ({ version }) => ({ type: "number", value: version.accepted })],
  ["revision", ({ version }) => ({ type: "number", value: version.revision })],
  // The last column: Oracle accepts a long text only there.
  ["fields", ({ fields }) => ({ type: "json", value: JSON.stringify(fields) })],
];
