import * as z from "zod";
import { type Connector, defineConnector } from "../../../bridge/model/connector.ts";
import { delivered } from "../../../bridge/model/outcome.ts";
import type { Packet } from "../../../bridge/model/packet.ts";
import {
  addNothing,
  type Bind,
  type Dialect,
  databaseConfig,
  identifier,
  inSchema,
  type Login,
  loginSchema,
  quoted,
  tlsRule,
} from "./dialect.ts";
import { inOneTransaction, Sessions, wouldTake } from "./session-pool.ts";

const configSchema = z
  .strictObject({
    ...databaseConfig,
    table: identifier.optional().describe("The table. If not said: hms_audit."),
  })
  .refine(...tlsRule);

type Config = z.output<typeof configSchema>;

/**
 * A connector to the frozen copy: a row for every packet, in the order of its record, and none is ever changed. The login needs
 * nothing but INSERT.
 *
 * The packet's id is the table's key, so the row itself says that the packet was here: a second try finds it and adds
 * nothing. The table: docs/sql.
 */
export function sqlAudit(name: string, dialect: Dialect): Connector<Config, Login> {
  const sessions = new Sessions(dialect);
  return defineConnector({
    name,
    version: "v1",
    order: "strict",
    idempotent: true,
    deletes: true,
    config: configSchema,
    secret: loginSchema,
    // Each concurrent send uses its own session.
    rate: { concurrency: 4 },
    sendBatch(packets, context) {
      const { table = "hms_audit" } = context.config;
      return inOneTransaction(sessions, packets, context, async (packet, session) => {
        const row = columns.map(([name, bind]) => ({ name: dialect.own(name), bind: bind(packet) }));
        await session.add(tableOf(context.config, dialect), row);
        return delivered({ at: table, remoteId: packet.id });
      });
    },
    probe(context) {
      const names = columns.map(([name]) => dialect.own(name));
      return wouldTake(sessions, context, [addNothing(dialect, tableOf(context.config, dialect), names)]);
    },
  });
}

function tableOf({ schema, table }: Config, dialect: Dialect): string {
  return inSchema(schema, table === undefined ? dialect.own("hms_audit") : quoted(table));
}

/** What the copy keeps of a packet. `accepted` is µs since the epoch, and orders what has one time. */
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
  // Last: Oracle takes a long text only there.
  ["fields", ({ fields }) => ({ type: "json", value: JSON.stringify(fields) })],
];
