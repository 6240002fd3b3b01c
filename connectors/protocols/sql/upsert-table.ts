import * as z from "zod";
import { type Connector, defineConnector } from "../../../bridge/model/connector.ts";
import { delivered, type Outcome, refused } from "../../../bridge/model/outcome.ts";
import { compareVersions, type Packet, type Version } from "../../../bridge/model/packet.ts";
import {
  addNothing,
  type Bind,
  Binds,
  bindOf,
  columnSchema,
  type Dialect,
  databaseConfig,
  identifier,
  inSchema,
  type Login,
  loginSchema,
  quoted,
  type Session,
  tlsRule,
  type Valued,
} from "./dialect.ts";
import { pollSchema, pollTable } from "./poll-table.ts";
import { inOneTransaction, outcomeOf, Sessions, undoPacket, wouldTake } from "./session-pool.ts";

const configSchema = z
  .strictObject({
    ...databaseConfig,
    table: identifier.describe("The table."),
    key: identifier.describe("The column that says which record a row is; it must have a unique index."),
    columns: z
      .record(z.string(), columnSchema)
      .refine((columns) => Object.keys(columns).length > 0, "names no column")
      .describe("Which field goes to which column. A packet with any other field is refused."),
    poll: pollSchema.optional().describe("A table to be read every minute, for what others have changed."),
  })
  .refine(...tlsRule)
  .refine(
    ({ key, columns }) => {
      const names = [key, ...Object.values(columns).map(({ column }) => column)];
      return new Set(names).size === names.length;
    },
    { path: ["columns"], message: "has a column twice, or the key's" },
  );

type Config = z.output<typeof configSchema>;

/**
 * A connector to one table: one row a record, of which a packet changes the columns it has fields for.
 *
 * Exactly once: the packet's id goes into an inbox in the transaction that changes the row. In order: beside each row
 * the versions of its fields are kept, so that what is older never overwrites, even where a process that was thought
 * dead wakes up in the middle of a send. Both tables: docs/sql.
 */
export function sqlTable(name: string, dialect: Dialect): Connector<Config, Login> {
  const sessions = new Sessions(dialect);
  return defineConnector({
    name,
    version: "v1",
    order: "latest",
    idempotent: true,
    deletes: true,
    config: configSchema,
    secret: loginSchema,
    // Each concurrent send uses its own session.
    rate: { concurrency: 4 },
    sendBatch: (packets, context) =>
      inOneTransaction(sessions, packets, context, (packet, session) =>
        write(packet, { config: context.config, session, dialect }),
      ),
    probe: (context) => wouldTake(sessions, context, trials(context.config, dialect)),
    polls: ({ poll }) => poll !== undefined,
    poll: (context) => pollTable(sessions, context),
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

  const isNew = await session.add(inSchema(config.schema, dialect.own("hms_bridge_inbox")), [
    { name: dialect.own("packet_id"), bind: text(packet.id) },
  ]);
  if (!isNew) return landed;

  const held = await lockVersions(packet.entity, context);
  const fields = newerFields(packet, held);
  if (fields === undefined) return landed;
  if (packet.action === "delete") {
    await withRow("DELETE", packet.entity, context);
  } else {
    const refusal = await upsert(
      packet.entity,
      fields.map((field) => values.get(field) as Valued),
      context,
    );
    if (refusal) return refusal;
  }
  await keepVersions(packet, fields, held, context);
  return landed;
}

function text(value: string): Bind {
  return { type: "text", value };
}

function tableOf({ schema, table }: Config): string {
  return inSchema(schema, quoted(table));
}

function versionsOf({ schema }: Config, dialect: Dialect): string {
  return inSchema(schema, dialect.own("hms_bridge_versions"));
}

/** Returns the value to bind for each field, or the reason why the packet cannot be written. */
function valuesOf(packet: Packet, { columns }: Config): ReadonlyMap<string, Valued> | string {
  if (packet.entity.includes("\0")) return "the record's key holds a NUL character";
  const values = new Map<string, Valued>();
  if (packet.action === "delete") return values;
  for (const [field, value] of Object.entries(packet.fields)) {
    const known = Object.hasOwn(columns, field) ? columns[field] : undefined;
    if (!known) return `the field ${field} has no column; give it one under columns, or leave it out of the sheet`;
    const bind = bindOf(known.type, value);
    if ("fault" in bind) return `${field}, for ${known.column}, ${bind.fault}`;
    values.set(field, { name: quoted(known.column), bind });
  }
  return values;
}

const versionSchema = z.object({
  source: z.string(),
  sequence: z.number().exactOptional(),
  time: z.number(),
  accepted: z.number(),
  revision: z.number(),
});

/** Version of each field in a row, and the version of its deletion. */
const versionsSchema = z.object({
  fields: z.record(z.string(), versionSchema),
  deleted: versionSchema.exactOptional(),
});
type Versions = z.output<typeof versionsSchema>;

/** Reads the versions of a row and locks them until the transaction ends. */
async function lockVersions(entity: string, { config, session, dialect }: WriteContext): Promise<Versions> {
  const table = versionsOf(config, dialect);
  const row: Valued[] = [
    { name: dialect.own("target"), bind: text(tableOf(config)) },
    { name: dialect.own("entity"), bind: text(entity) },
  ];
  const nothing: Versions = { fields: {} };
  const versions = dialect.own("versions");
  if (await session.add(table, [...row, { name: versions, bind: text(JSON.stringify(nothing)) }])) return nothing;
  const binds = new Binds(dialect);
  const found = await session.run(
    `SELECT ${versions} FROM ${table} WHERE ${equal(binds, row)} ${dialect.forUpdate}`,
    binds.list,
  );
  return versionsSchema.parse(JSON.parse(String(found.rows[0]?.[0])));
}

async function keepVersions(
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
  const set = binds.column({ name: dialect.own("versions"), bind: text(JSON.stringify(versions)) });
  const where = equal(binds, [
    { name: dialect.own("target"), bind: text(tableOf(config)) },
    { name: dialect.own("entity"), bind: text(packet.entity) },
  ]);
  const table = versionsOf(config, dialect);
  await session.run(`UPDATE ${table} SET ${set.name} = ${set.bound} WHERE ${where}`, binds.list);
}

function equal(binds: Binds, row: readonly Valued[]): string {
  return row
    .map((valued) => binds.column(valued))
    .map(({ name, bound }) => `${name} = ${bound}`)
    .join(" AND ");
}

/** Returns the fields of a packet that are newer than the row, or undefined if nothing in the packet is newer. */
function newerFields({ action, send, fields, version }: Packet, held: Versions): string[] | undefined {
  const isNewer = (than: Version | undefined) => than === undefined || compareVersions(than, version) <= 0;
  const versionOf = (field: string) => (Object.hasOwn(held.fields, field) ? held.fields[field] : undefined);
  if (!isNewer(held.deleted)) return undefined;
  if (action === "delete") return Object.values(held.fields).every(isNewer) ? [] : undefined;
  const names = Object.keys(fields);
  const newer = names.filter((field) => isNewer(versionOf(field)));
  const whole = send === "full" && newer.length < names.length;
  return newer.length === 0 || whole ? undefined : newer;
}

/** @param sql what to do with the row */
async function withRow(
  sql: "DELETE" | "SELECT 1",
  entity: string,
  { config, session, dialect }: WriteContext,
): Promise<void> {
  const binds = new Binds(dialect);
  const where = equal(binds, [{ name: quoted(config.key), bind: text(entity) }]);
  await session.run(`${sql} FROM ${tableOf(config)} WHERE ${where}`, binds.list);
}

/** Writes the row. @returns a refusal that names the column, where the database refused a value and did not say whose */
async function upsert(entity: string, values: readonly Valued[], context: WriteContext): Promise<Outcome | undefined> {
  try {
    await upsertColumns(entity, values, context);
    return undefined;
  } catch (error) {
    const fault = context.dialect.faultOf(error);
    if (fault.kind !== "refused" || fault.about !== undefined) throw error;
    return outcomeOf({ ...fault, about: await columnAtFault(entity, values, fault.code, context) }, false);
  }
}

async function upsertColumns(entity: string, values: readonly Valued[], { config, session, dialect }: WriteContext) {
  const binds = new Binds(dialect);
  const key = binds.column({ name: quoted(config.key), bind: text(entity) });
  const columns = values.map((valued) => binds.column(valued));
  await session.run(dialect.upsert(tableOf(config), key, columns), binds.list);
}

/** Tries each value alone, the key first, and takes it back: the one that fails as all together did is it. */
async function columnAtFault(entity: string, values: readonly Valued[], code: string, context: WriteContext) {
  const { config, session, dialect } = context;
  const trials = [
    { name: quoted(config.key), run: () => withRow("SELECT 1", entity, context) },
    ...values.map((value) => ({ name: value.name, run: () => upsertColumns(entity, [value], context) })),
  ];
  for (const { name, run } of trials) {
    await session.run(undoPacket);
    try {
      await run();
    } catch (error) {
      if (dialect.faultOf(error).code === code) return name.slice(1, -1);
    }
  }
  return undefined;
}

/** Touch nothing, and fail where a packet would: for a table, a column or a grant that is missing. */
function trials(config: Config, dialect: Dialect): string[] {
  const columns = [config.key, ...Object.values(config.columns).map(({ column }) => column)].map(quoted);
  const table = tableOf(config);
  const key = quoted(config.key);
  const versions = versionsOf(config, dialect);
  const own = (...names: string[]) => names.map(dialect.own);
  return [
    addNothing(dialect, table, columns),
    `UPDATE ${table} SET ${columns.map((name) => `${name} = ${name}`).join(", ")} WHERE ${key} IS NULL AND 1 = 0`,
    `DELETE FROM ${table} WHERE ${key} IS NULL AND 1 = 0`,
    addNothing(dialect, inSchema(config.schema, dialect.own("hms_bridge_inbox")), own("packet_id")),
    addNothing(dialect, versions, own("target", "entity", "versions")),
    `UPDATE ${versions} SET ${dialect.own("versions")} = NULL WHERE ${dialect.own("entity")} IS NULL AND 1 = 0`,
  ];
}
