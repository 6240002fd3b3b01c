import * as z from "zod";
import { type Connector, defineConnector } from "../../../bridge/model/connector.ts";
import { delivered, type Outcome, refused } from "../../../bridge/model/outcome.ts";
import type { Packet } from "../../../bridge/model/packet.ts";
import { compareVersions, type Version } from "../../../bridge/model/version.ts";
import { recordKey } from "../../../bridge/values/record-key.ts";
import {
  type Bind,
  Binds,
  bindOf,
  type ColumnValue,
  columnSchema,
  type Dialect,
  databaseConfig,
  emptyInsert,
  identifier,
  inSchema,
  type Login,
  quoted,
  type Session,
  tlsRule,
} from "./dialect.ts";
import { pollSchema, pollTable } from "./poll-table.ts";
import {
  canRun,
  databaseConnector,
  outcomeOf,
  rollbackPacket,
  SessionPool,
  sendInTransaction,
} from "./session-pool.ts";

const configSchema = z
  .strictObject({
    ...databaseConfig,
    table: identifier.describe("The table."),
    key: identifier.describe("The column with the record's key. It must have a unique index."),
    columns: z
      .record(z.string(), columnSchema)
      .refine((columns) => Object.keys(columns).length > 0, "names no column")
      .describe("The column of each field. A packet with any other field is refused."),
    poll: pollSchema.optional().describe("A table that is read every minute for changes made by others."),
  })
  .refine(...tlsRule)
  .refine(
    ({ key, columns }) => {
      const names = [key, ...Object.values(columns).map(({ column }) => column)];
      return new Set(names).size === names.length;
    },
    { path: ["columns"], message: "names a column twice, or the key column" },
  );

type Config = z.output<typeof configSchema>;

/**
 * Creates a connector to a table with one row per record. A packet updates the columns of its fields.
 *
 * Each packet takes effect exactly once: its id is inserted into an inbox table in the transaction that changes the
 * row. A second table keeps the version of each field, so an older value never overwrites a newer one, even if a
 * process that was presumed dead resumes in the middle of a send. The DDL of both tables is in docs/sql.
 */
export function upsertTableConnector(name: string, dialect: Dialect): Connector<Config, Login> {
  const pool = new SessionPool(dialect);
  return defineConnector({
    ...databaseConnector,
    name,
    order: "latest",
    config: configSchema,
    sendBatch: (packets, context) =>
      sendInTransaction(pool, packets, context, (packet, session) =>
        write(packet, { config: context.config, session, dialect }),
      ),
    probe: (context) => canRun(pool, context, probeStatements(context.config, dialect)),
    polls: ({ poll }) => poll !== undefined,
    poll: (context) => pollTable(pool, context),
  });
}

interface WriteContext {
  readonly config: Config;
  readonly session: Session;
  readonly dialect: Dialect;
}

async function write(packet: Packet, context: WriteContext): Promise<Outcome> {
  const { config, session, dialect } = context;
  const landed = delivered({ at: config.table });
  const values = valuesOf(packet, config);
  if (typeof values === "string") return refused(values);

  const isNew = await session.insert(inSchema(config.schema, dialect.ownName("hms_bridge_inbox")), [
    { name: dialect.ownName("packet_id"), bind: text(packet.id) },
  ]);
  if (!isNew) return landed;

  const held = await lockVersions(packet, context);
  const fields = newerFields(packet, held);
  if (fields === undefined) return landed;
  if (packet.action === "delete") {
    await runOnRow("DELETE", packet.entity, context);
  } else {
    const refusal = await upsert(
      packet.entity,
      fields.map((field) => values.get(field) as ColumnValue),
      context,
    );
    if (refusal) return refusal;
  }
  await storeVersions(packet, fields, held, context);
  return landed;
}

function text(value: string): Bind {
  return { type: "text", value };
}

function tableOf({ schema, table }: Config): string {
  return inSchema(schema, quoted(table));
}

function versionsOf({ schema }: Config, dialect: Dialect): string {
  return inSchema(schema, dialect.ownName("hms_bridge_versions"));
}

/** Returns the value to bind for each field, or the reason why the packet cannot be written. */
function valuesOf(packet: Packet, { columns }: Config): ReadonlyMap<string, ColumnValue> | string {
  if (packet.entity.includes("\0")) return "the record's key contains a NUL character";
  const values = new Map<string, ColumnValue>();
  if (packet.action === "delete") return values;
  for (const [field, value] of Object.entries(packet.fields)) {
    const column = Object.hasOwn(columns, field) ? columns[field] : undefined;
    if (!column) return `the field ${field} has no column; add it to columns, or remove it from the sheet`;
    const bind = bindOf(column.type, value);
    if ("issue" in bind) return `${field}, for ${column.column}, ${bind.issue}`;
    values.set(field, { name: quoted(column.column), bind });
  }
  return values;
}

const versionSchema = z.object({
  source: z.string(),
  sequence: z.number().exactOptional(),
  epoch: z.number().exactOptional(),
  time: z.number(),
  fine: z.string().exactOptional(),
  claimed: z.number().exactOptional(),
  untimed: z.literal(true).exactOptional(),
  accepted: z.number(),
  acceptedAt: z.number().exactOptional(),
  tie: z.string().exactOptional(),
  revision: z.number(),
});

/** Version of each field in a row, and the version of its deletion. */
const versionsSchema = z.object({
  fields: z.record(z.string(), versionSchema),
  deleted: versionSchema.exactOptional(),
});
type Versions = z.output<typeof versionsSchema>;

/** Returns the columns that identify a record's versions. All spellings of its key share them. */
function versionKeyOf({ entity }: Packet, { config, dialect }: WriteContext): ColumnValue[] {
  return [
    { name: dialect.ownName("target"), bind: text(tableOf(config)) },
    { name: dialect.ownName("entity"), bind: text(recordKey(entity)) },
  ];
}

/** Reads the versions of a row and locks them until the transaction ends. */
async function lockVersions(packet: Packet, context: WriteContext): Promise<Versions> {
  const { config, session, dialect } = context;
  const table = versionsOf(config, dialect);
  const row = versionKeyOf(packet, context);
  const empty: Versions = { fields: {} };
  const versions = dialect.ownName("versions");
  if (await session.insert(table, [...row, { name: versions, bind: text(JSON.stringify(empty)) }])) return empty;
  const binds = new Binds(dialect);
  const found = await session.run(
    `SELECT ${versions} FROM ${table} WHERE ${allEqual(binds, row)} ${dialect.forUpdate}`,
    binds.list,
  );
  return versionsSchema.parse(JSON.parse(String(found.rows[0]?.[0])));
}

async function storeVersions(
  packet: Packet,
  fields: readonly string[],
  held: Versions,
  context: WriteContext,
): Promise<void> {
  const { config, session, dialect } = context;
  const versions: Versions =
    packet.action === "delete"
      ? { fields: {}, deleted: packet.version }
      : { ...held, fields: { ...held.fields, ...Object.fromEntries(fields.map((field) => [field, packet.version])) } };
  const binds = new Binds(dialect);
  const set = binds.column({ name: dialect.ownName("versions"), bind: text(JSON.stringify(versions)) });
  const where = allEqual(binds, versionKeyOf(packet, context));
  const table = versionsOf(config, dialect);
  await session.run(`UPDATE ${table} SET ${set.name} = ${set.placeholder} WHERE ${where}`, binds.list);
}

/** Returns a condition that each column has its value. */
function allEqual(binds: Binds, row: readonly ColumnValue[]): string {
  return row
    .map((value) => binds.column(value))
    .map(({ name, placeholder }) => `${name} = ${placeholder}`)
    .join(" AND ");
}

/** Returns the fields of a packet that are newer than the row, or undefined if nothing in the packet is newer. */
function newerFields({ action, fields, version }: Packet, held: Versions): string[] | undefined {
  const isNewer = (than: Version | undefined) => than === undefined || compareVersions(than, version) <= 0;
  const versionOf = (field: string) => (Object.hasOwn(held.fields, field) ? held.fields[field] : undefined);
  if (!isNewer(held.deleted)) return undefined;
  if (action === "delete") return Object.values(held.fields).every(isNewer) ? [] : undefined;
  // A full packet comes with the newer values of its superseded fields, which the row already has.
  const newer = Object.keys(fields).filter((field) => isNewer(versionOf(field)));
  return newer.length === 0 ? undefined : newer;
}

async function runOnRow(
  statement: "DELETE" | "SELECT 1",
  entity: string,
  { config, session, dialect }: WriteContext,
): Promise<void> {
  const binds = new Binds(dialect);
  const where = allEqual(binds, [{ name: quoted(config.key), bind: text(entity) }]);
  await session.run(`${statement} FROM ${tableOf(config)} WHERE ${where}`, binds.list);
}

/** Writes the row. Returns a refusal that names the column if the database rejects a value without naming it. */
async function upsert(
  entity: string,
  values: readonly ColumnValue[],
  context: WriteContext,
): Promise<Outcome | undefined> {
  try {
    await upsertColumns(entity, values, context);
    return undefined;
  } catch (error) {
    const issue = context.dialect.classifyError(error);
    if (issue.kind !== "refused" || issue.objectName !== undefined) throw error;
    const column = await findRejectedColumn(entity, values, issue.code, context);
    return outcomeOf({ ...issue, objectName: column }, false);
  }
}

async function upsertColumns(
  entity: string,
  values: readonly ColumnValue[],
  { config, session, dialect }: WriteContext,
): Promise<void> {
  const binds = new Binds(dialect);
  const key = binds.column({ name: quoted(config.key), bind: text(entity) });
  const columns = values.map((value) => binds.column(value));
  await session.run(dialect.upsert(tableOf(config), key, columns), binds.list);
}

/**
 * Finds the column whose value fails with an error code. Writes each value alone, the key first, and rolls it back.
 */
async function findRejectedColumn(
  entity: string,
  values: readonly ColumnValue[],
  code: string,
  context: WriteContext,
): Promise<string | undefined> {
  const { config, session, dialect } = context;
  const checks = [
    { name: quoted(config.key), run: () => runOnRow("SELECT 1", entity, context) },
    ...values.map((value) => ({ name: value.name, run: () => upsertColumns(entity, [value], context) })),
  ];
  for (const { name, run } of checks) {
    await session.run(rollbackPacket);
    try {
      await run();
    } catch (error) {
      if (dialect.classifyError(error).code === code) return name.slice(1, -1);
    }
  }
  return undefined;
}

/** Returns statements that change nothing but fail, as a packet would, if a table, a column or a grant is missing. */
function probeStatements(config: Config, dialect: Dialect): string[] {
  const columns = [config.key, ...Object.values(config.columns).map(({ column }) => column)].map(quoted);
  const table = tableOf(config);
  const key = quoted(config.key);
  const versions = versionsOf(config, dialect);
  const own = (...names: string[]) => names.map(dialect.ownName);
  return [
    emptyInsert(dialect, table, columns),
    `UPDATE ${table} SET ${columns.map((name) => `${name} = ${name}`).join(", ")} WHERE ${key} IS NULL AND 1 = 0`,
    `DELETE FROM ${table} WHERE ${key} IS NULL AND 1 = 0`,
    emptyInsert(dialect, inSchema(config.schema, dialect.ownName("hms_bridge_inbox")), own("packet_id")),
    emptyInsert(dialect, versions, own("target", "entity", "versions")),
    `UPDATE ${versions} SET ${dialect.ownName("versions")} = NULL WHERE ${dialect.ownName("entity")} IS NULL AND 1 = 0`,
  ];
}
