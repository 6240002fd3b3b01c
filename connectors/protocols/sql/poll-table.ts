import { hash } from "node:crypto";
import * as z from "zod";
import type { Context, InboundMessage, NotPolled, Polled } from "../../../bridge/model/connector.ts";
import { nest } from "../../../bridge/values/field-path.ts";
import {
  Binds,
  columnSchema,
  type DatabaseAddress,
  type Dialect,
  identifier,
  inSchema,
  type Login,
  parseValue,
  quoted,
} from "./dialect.ts";
import { DeadlineError, describeIssue, type SessionPool } from "./session-pool.ts";

/** Configuration of a polled table. A watermark column, whose values only grow, identifies new rows. */
export const pollSchema = z
  .strictObject({
    table: identifier.describe("The table or view."),
    watermark: identifier.describe("The column whose value is greater in newer rows. It should have an index."),
    type: z
      .enum(["timestamp", "number"])
      .default("timestamp")
      .describe("The watermark's type: a time (in UTC if the column has no time zone), or a whole number."),
    key: identifier.describe("The column that distinguishes rows with the same watermark. It is never null."),
    columns: z
      .record(z.string(), columnSchema)
      .refine((columns) => Object.keys(columns).length > 0, "names no column")
      .describe("The column of each field of a message."),
    since: z
      .string()
      .optional()
      .describe("The first watermark to read: 2026-12-01T00:00:00Z, or a number. Default: the oldest row's."),
    settleSeconds: z
      .int()
      .min(0)
      .max(99)
      .default(10)
      .describe(
        "For timestamps: the age at which a row is read. It must exceed the longest transaction that writes a row; " +
          "otherwise a row that is written before another but committed after it is missed.",
      ),
    page: z.int().min(1).max(500).default(500).describe("The number of rows read at once."),
  })
  .superRefine(({ type, since }, check) => {
    const fits = type === "number" ? /^-?\d{1,38}$/ : /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;
    if (since === undefined || fits.test(since)) return;
    const example = type === "number" ? "a whole number" : "a time in UTC such as 2026-12-01T00:00:00Z";
    check.addIssue({ code: "custom", path: ["since"], message: `is not ${example}` });
  });

type Poll = z.output<typeof pollSchema>;
type Config = DatabaseAddress & { readonly poll?: Poll | undefined };

/** Position of polling in a table: watermark and key of the last row read, as texts. */
const positionSchema = z.strictObject({
  /** Identifies the table and watermark column. If they change, the table is read from the beginning. */
  of: z.string(),
  mark: z.string(),
  key: z.string(),
});
type Position = z.output<typeof positionSchema>;

/**
 * Reads the next page of new rows: those with a greater watermark than the last row read, or with the same watermark
 * and a greater key. No row is skipped or read twice, wherever a page ends.
 *
 * A changed row with a new watermark is reported again, under a new message id. A deleted row is not reported.
 */
export async function pollTable(pool: SessionPool, context: Context<Config, Login>): Promise<Polled | NotPolled> {
  const { config, memory } = context;
  const { poll } = config;
  if (!poll) return { messages: [], taken: async () => {} };
  const of = JSON.stringify([config.schema ?? null, poll.table, poll.watermark]);
  const stored = positionSchema.safeParse(await memory.get()).data;
  const last = stored?.of === of ? stored : undefined;
  const { sql, binds } = selectPage(config, poll, pool.dialect, last);
  let rows: readonly (readonly unknown[])[];
  try {
    rows = await pool.use(context, async (session) => {
      await session.begin();
      const found = await session.run(sql, binds);
      await session.commit();
      return found.rows;
    });
  } catch (error) {
    if (error instanceof DeadlineError || context.signal.aborted) return { reason: "the database was too slow" };
    const issue = pool.dialect.classifyError(error);
    return { reason: describeIssue(issue), auth: issue.kind === "login" };
  }
  const end = rows.at(-1);
  return {
    messages: rows.map((row) => messageOf(row, of, poll)),
    more: rows.length === poll.page,
    async taken() {
      if (end) await memory.set({ of, mark: String(end[0]), key: String(end[1]) });
    },
  };
}

/** Returns the SELECT for the page of rows after a position. It reads watermark, key and columns, all as texts. */
function selectPage({ schema }: Config, poll: Poll, dialect: Dialect, last: Position | undefined) {
  const binds = new Binds(dialect);
  const [watermark, key] = [quoted(poll.watermark), quoted(poll.key)];
  const placeholder = (text: string, type: "key" | Poll["type"]) => {
    binds.add({ type: "text", value: text });
    return dialect.fromText(binds.list.length, type);
  };
  const where = [`${watermark} IS NOT NULL`];
  if (poll.type === "timestamp" && poll.settleSeconds > 0) {
    where.push(`${watermark} <= CURRENT_TIMESTAMP - INTERVAL '${poll.settleSeconds}' SECOND`);
  }
  if (last) {
    const at = placeholder(last.mark, poll.type);
    where.push(`${watermark} >= ${at}`, `(${watermark} > ${at} OR ${key} > ${placeholder(last.key, "key")})`);
  } else if (poll.since !== undefined) {
    where.push(`${watermark} >= ${placeholder(poll.since, poll.type)}`);
  }
  const expressions = [
    dialect.asText(watermark, poll.type),
    dialect.asText(key, "key"),
    ...Object.values(poll.columns).map(({ column, type }) => dialect.asText(quoted(column), type)),
  ];
  const sql = [
    `SELECT ${expressions.join(", ")} FROM ${inSchema(schema, quoted(poll.table))}`,
    `WHERE ${where.join(" AND ")}`,
    `ORDER BY ${watermark}, ${key} FETCH FIRST ${poll.page} ROWS ONLY`,
  ];
  return { sql: sql.join(" "), binds: binds.list };
}

function messageOf(
  [watermark, key, ...values]: readonly unknown[],
  of: string,
  { type, columns }: Poll,
): InboundMessage {
  const fields = Object.entries(columns).map(([field, { type }], i) => [field, parseValue(type, values[i])] as const);
  return {
    id: hash("sha256", JSON.stringify([of, watermark, key])).slice(0, 32),
    at: type === "timestamp" ? Date.parse(String(watermark)) : Date.now(),
    data: nest(Object.fromEntries(fields)),
  };
}
