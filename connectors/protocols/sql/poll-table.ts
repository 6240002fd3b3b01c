import { hash } from "node:crypto";
import * as z from "zod";
import type { Context, InboundMessage, NotPolled, Polled } from "../../../bridge/model/connector.ts";
import { nest } from "../../../bridge/values/field-path.ts";
import {
  Binds,
  columnSchema,
  type Dialect,
  identifier,
  inSchema,
  type Login,
  type Place,
  quoted,
  valueRead,
} from "./dialect.ts";
import { DeadlineError, type Sessions } from "./session-pool.ts";

/** A table that tells what is new by a column that only grows: part of a connector's configuration. */
export const pollSchema = z
  .strictObject({
    table: identifier.describe("The table, or a view of it."),
    watermark: identifier.describe("The column that is greater in whatever is newer; it should have an index."),
    type: z
      .enum(["timestamp", "number"])
      .default("timestamp")
      .describe("What the watermark is: a time (in UTC, where the column has no zone), or a whole number."),
    key: identifier.describe("The column that tells rows of one watermark apart; never null."),
    columns: z
      .record(z.string(), columnSchema)
      .refine((columns) => Object.keys(columns).length > 0, "names no column")
      .describe("Which field of the message is which column."),
    since: z
      .string()
      .optional()
      .describe("Where to begin, the first time: 2026-12-01T00:00:00Z, or a number. If not said: with the oldest row."),
    settleSeconds: z
      .int()
      .min(0)
      .max(99)
      .default(10)
      .describe(
        "timestamp: a row is taken once it is so old, longer than any transaction that writes one; else a row that was " +
          "written before another and committed after it would never be seen.",
      ),
    page: z.int().min(1).max(500).default(500).describe("How many rows are read at once."),
  })
  .superRefine(({ type, since }, check) => {
    const fits = type === "number" ? /^-?\d{1,38}$/ : /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;
    if (since === undefined || fits.test(since)) return;
    const example = type === "number" ? "a whole number" : "a time in UTC such as 2026-12-01T00:00:00Z";
    check.addIssue({ code: "custom", path: ["since"], message: `is not ${example}` });
  });

type Poll = z.output<typeof pollSchema>;
type Config = Place & { readonly poll?: Poll | undefined };

/** How far a table was read: the last row's watermark and key, as texts. */
const markSchema = z.strictObject({
  /** Which table and watermark: with others it is read from its beginning. */
  of: z.string(),
  mark: z.string(),
  key: z.string(),
});
type Mark = z.output<typeof markSchema>;

/**
 * What is new in a table: rows with a greater watermark than the last that was taken, and of the same watermark those
 * with a greater key, so that no row is passed over or taken twice, wherever a page ends.
 *
 * A row that is changed and gets a new watermark is told again, as something new. A deleted one is not told.
 */
export async function pollTable(sessions: Sessions, context: Context<Config, Login>): Promise<Polled | NotPolled> {
  const { config, memory } = context;
  const { poll } = config;
  if (!poll) return { messages: [], taken: async () => {} };
  const of = JSON.stringify([config.schema ?? null, poll.table, poll.watermark]);
  const known = markSchema.safeParse(await memory.get()).data;
  const last = known?.of === of ? known : undefined;
  const { sql, binds } = pageOf(config, poll, sessions.dialect, last);
  let rows: readonly (readonly unknown[])[];
  try {
    rows = await sessions.use(context, async (session) => {
      await session.begin();
      const found = await session.run(sql, binds);
      await session.commit();
      return found.rows;
    });
  } catch (error) {
    if (error instanceof DeadlineError || context.signal.aborted) return { fault: "the database was too slow" };
    const { kind, says, code, about } = sessions.dialect.faultOf(error);
    return { fault: `${says}${about ? `: ${about}` : ""} (${code})`, auth: kind === "login" };
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

/** A page of rows behind a mark: its watermark and key, then its columns, as texts. */
function pageOf({ schema }: Config, poll: Poll, dialect: Dialect, last: Mark | undefined) {
  const binds = new Binds(dialect);
  const [mark, key] = [quoted(poll.watermark), quoted(poll.key)];
  const bound = (text: string, type: "key" | Poll["type"]) => {
    binds.add({ type: "text", value: text });
    return dialect.asWas(binds.list.length, type);
  };
  const where = [`${mark} IS NOT NULL`];
  if (poll.type === "timestamp" && poll.settleSeconds > 0) {
    where.push(`${mark} <= CURRENT_TIMESTAMP - INTERVAL '${poll.settleSeconds}' SECOND`);
  }
  if (last) {
    const at = bound(last.mark, poll.type);
    where.push(`${mark} >= ${at}`, `(${mark} > ${at} OR ${key} > ${bound(last.key, "key")})`);
  } else if (poll.since !== undefined) {
    where.push(`${mark} >= ${bound(poll.since, poll.type)}`);
  }
  const read = [
    dialect.asText(mark, poll.type),
    dialect.asText(key, "key"),
    ...Object.values(poll.columns).map(({ column, type }) => dialect.asText(quoted(column), type)),
  ];
  const sql = [
    `SELECT ${read.join(", ")} FROM ${inSchema(schema, quoted(poll.table))}`,
    `WHERE ${where.join(" AND ")}`,
    `ORDER BY ${mark}, ${key} FETCH FIRST ${poll.page} ROWS ONLY`,
  ];
  return { sql: sql.join(" "), binds: binds.list };
}

function messageOf([mark, key, ...values]: readonly unknown[], of: string, { type, columns }: Poll): InboundMessage {
  const fields = Object.entries(columns).map(([field, { type }], i) => [field, valueRead(type, values[i])] as const);
  return {
    id: hash("sha256", JSON.stringify([of, mark, key])).slice(0, 32),
    at: type === "timestamp" ? Date.parse(String(mark)) : Date.now(),
    data: nest(Object.fromEntries(fields)),
  };
}
