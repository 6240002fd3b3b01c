import * as z from "zod";
import type { Json } from "../../../bridge/values/json.ts";

/*
 * Types and SQL helpers shared by all database connectors. postgresql.ts and oracle.ts implement `Dialect`, which
 * covers every difference between the two databases.
 *
 * A packet's text never becomes part of a statement: values are bound, and names come from the configuration, which
 * checks them with `identifier`.
 */

/** Name of a schema, table or column in the database's own case: for Oracle usually upper case. */
export const identifier = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_$#]{0,62}$/, "is not a name of at most 63 letters, digits, _, $ and #");

/** Address of a database, as part of a connector's configuration. */
export const databaseConfig = {
  host: z
    .string()
    .regex(/^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/, "is not a host name or an IPv4 address")
    .describe("The database server's host."),
  port: z
    .int()
    .min(1)
    .max(65_535)
    .optional()
    .describe("Its port. Default: 5432 for PostgreSQL, 2484 for Oracle (1521 without TLS)."),
  database: z
    .string()
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_.$#-]{0,127}$/, "is not a name of at most 128 letters, digits, _, ., $, # and -")
    .describe("The database name for PostgreSQL, the service name for Oracle."),
  schema: identifier.optional().describe("The schema of the tables. Default: the login's own schema."),
  tls: z.boolean().default(true).describe("Use TLS and verify the database's certificate."),
  inTheClear: z.boolean().default(false).describe("Allow tls: false for a host other than this machine."),
};

/** Address of a database, as `databaseConfig` parses it. */
export type DatabaseAddress = z.output<z.ZodObject<typeof databaseConfig>>;

/** Arguments of `refine` that reject a password sent unencrypted over a network, unless `inTheClear` allows it. */
export const tlsRule: [
  check: (address: Pick<DatabaseAddress, "tls" | "inTheClear" | "host">) => boolean,
  issue: { path: string[]; message: string },
] = [
  ({ tls, inTheClear, host }) => tls || inTheClear || /^(localhost|127(\.\d{1,3}){3})$/.test(host),
  { path: ["tls"], message: "is false for a host other than this machine; if that is intended, add inTheClear: true" },
];

/** The bridge's credentials for a database. */
export const loginSchema = z.strictObject({
  user: z.string().min(1),
  password: z.string().min(1),
  /** Certificate authority of the database, in PEM, if the system does not trust it already. */
  ca: z.string().optional(),
  /** Oracle only: the `ewallet.pem` with client certificate, key and authority, if the database requires one. */
  wallet: z.string().optional(),
});

export type Login = z.output<typeof loginSchema>;

/** Types a value is bound as. `timestamp` is an RFC 3339 time with an offset; `json` is any value, stored as text. */
export const valueTypes = ["text", "number", "boolean", "date", "timestamp", "json"] as const;
export type ValueType = (typeof valueTypes)[number];

/** Column that a field is written to or read from. */
export const columnSchema = z.strictObject({
  column: identifier.describe("The column's name."),
  type: z.enum(valueTypes).default("text").describe("The type of the field's values."),
});

/** One bind parameter of a statement. */
export interface Bind {
  readonly type: ValueType;
  readonly value: string | number | boolean | null;
}

/** Result of one statement. */
export interface QueryResult {
  /** Number of rows changed or found. */
  readonly count: number;
  /** Rows found by a SELECT, each with its values in column order. */
  readonly rows: readonly (readonly unknown[])[];
}

/** One database connection. It runs one transaction at a time. */
export interface Session {
  begin(): Promise<void>;
  /** Runs a statement. `dialect.placeholder(1, …)` refers to the first bind. */
  run(sql: string, binds?: readonly Bind[]): Promise<QueryResult>;
  /** Inserts a row. Returns false, and changes nothing, if a row with the same key exists. */
  insert(table: string, row: readonly ColumnValue[]): Promise<boolean>;
  /** @throws {Error} if the database did not confirm the commit */
  commit(): Promise<void>;
  rollback(): Promise<void>;
  /** Sets whether the connection keeps the process alive. It does so only while it is in use. */
  keepAlive(on: boolean): void;
  /** Closes the session immediately, even if a statement is running. */
  destroy(): void;
}

/** SQL syntax and error codes that differ between databases. */
export interface Dialect {
  /** The FROM clause of a SELECT that reads no table, if the database requires one. */
  readonly fromDual: string;
  /** Last clause of a SELECT that locks the rows it finds. */
  readonly forUpdate: string;
  /** Quotes a name of the bridge's own DDL, in the case the database gives to unquoted names. */
  ownName(name: string): string;
  /** Placeholder of a bind, with its cast. Binds are numbered from 1. */
  placeholder(number: number, type: ValueType): string;
  /**
   * Expression that reads a column as text: numbers with a decimal point, dates as 2026-12-01, times in UTC as RFC 3339
   * with all their digits. A `key` may have any type.
   */
  asText(column: string, type: ValueType | "key"): string;
  /** Placeholder that converts a text read by `asText` back to the column's type. Numbers must be whole. */
  fromText(number: number, type: "key" | "number" | "timestamp"): string;
  /** Statement that inserts or updates the row with a key. Columns that are not listed keep their values. */
  upsert(table: string, key: BoundColumn, columns: readonly BoundColumn[]): string;
  connect(address: DatabaseAddress, login: Login): Promise<Session>;
  /** Classifies an error thrown by a session or by `connect`. */
  classifyError(error: unknown): SqlIssue;
}

/** Quoted column name and its value. */
export interface ColumnValue {
  readonly name: string;
  readonly bind: Bind;
}

/** Quoted column name and the placeholder of its value. */
export interface BoundColumn {
  readonly name: string;
  readonly placeholder: string;
}

/** Classified database error. */
export interface SqlIssue {
  /**
   * `duplicate`: a row with the same unique value exists. `refused`: the database rejected the data. `setup`: the
   * database does not match the configuration; for example, a table or a grant is missing. `login`: the credentials were
   * rejected. `retry`: a temporary error. `lost`: the connection failed, was closed, or timed out.
   */
  readonly kind: "duplicate" | "refused" | "setup" | "login" | "retry" | "lost";
  /** Message written by the bridge, because the database's own message may contain a value. */
  readonly message: string;
  /** SQLSTATE, or a code of Oracle, the driver or the bridge, such as `23505`, `ORA-00001`, `ECONNREFUSED` or `no-tls`. */
  readonly code: string;
  /** Name of the column, constraint or table that the error is about, if the database reports it. */
  readonly objectName?: string | undefined;
  /** The database's own message, for the operator only. */
  readonly answer?: string | undefined;
}

/** Parses a value that was read by `asText`. */
export function parseValue(type: ValueType, value: unknown): Json {
  if (value === null) return null;
  const text = String(value);
  if (type === "number") return Number(text);
  if (type === "boolean") return text === "true" || text === "1";
  return type === "json" ? (JSON.parse(text) as Json) : text;
}

/** Returns a table's qualified name. `schema` is quoted here; `table` must already be quoted. */
export function inSchema(schema: string | undefined, table: string): string {
  return schema === undefined ? table : `${quoted(schema)}.${table}`;
}

/** Quotes a name that matches `identifier` and so contains no quotation mark. */
export function quoted(name: string): string {
  return `"${name}"`;
}

/**
 * Returns the bind parameter for a packet's value, or the issue if the value does not fit the type. Null fits every type.
 * The issue never contains the value.
 */
export function bindOf(type: ValueType, value: Json): Bind | { readonly issue: string } {
  if (value === null) return { type, value };
  const isScalar = typeof value !== "object";
  switch (type) {
    case "text":
      if (isScalar && !String(value).includes("\0")) return { type, value: String(value) };
      return { issue: isScalar ? "must be text without NUL characters" : "must be text, not a list or an object" };
    case "number":
      return typeof value === "number" ? { type, value } : { issue: "must be a number" };
    case "boolean":
      return typeof value === "boolean" ? { type, value } : { issue: "must be true or false" };
    case "date":
      return isoDate.safeParse(value).success
        ? { type, value: value as string }
        : { issue: "must be a date such as 2026-12-01" };
    case "timestamp": {
      const time = isoTime.safeParse(value);
      if (time.success) return { type, value: new Date(time.data).toISOString() };
      return { issue: "must be an RFC 3339 time with an offset, such as 2026-12-01T00:00:00Z" };
    }
    case "json": {
      const text = JSON.stringify(value);
      return text.includes("\\u0000") ? { issue: "must be JSON without NUL characters" } : { type, value: text };
    }
  }
}

const isoDate = z.iso.date();
const isoTime = z.iso.datetime({ offset: true });

/** The binds of one statement, numbered in the order in which they are added. */
export class Binds {
  readonly list: Bind[] = [];
  readonly #dialect: Dialect;

  constructor(dialect: Dialect) {
    this.#dialect = dialect;
  }

  /** Adds a bind and returns its placeholder, which a statement may use more than once. */
  add(bind: Bind): string {
    this.list.push(bind);
    return this.#dialect.placeholder(this.list.length, bind.type);
  }

  column({ name, bind }: ColumnValue): BoundColumn {
    return { name, placeholder: this.add(bind) };
  }
}

/** Returns the statement that inserts a row, and its binds. */
export function insertStatement(
  dialect: Dialect,
  table: string,
  row: readonly ColumnValue[],
): { sql: string; binds: Bind[] } {
  const binds = new Binds(dialect);
  const columns = row.map((value) => binds.column(value));
  const names = columns.map(({ name }) => name).join(", ");
  return {
    sql: `INSERT INTO ${table} (${names}) VALUES (${columns.map(({ placeholder }) => placeholder).join(", ")})`,
    binds: binds.list,
  };
}

/** Returns an INSERT that adds no row. It fails if the table, a column or the privilege to insert is missing. */
export function emptyInsert(dialect: Dialect, table: string, columns: readonly string[]): string {
  const nulls = columns.map(() => "NULL").join(", ");
  return `INSERT INTO ${table} (${columns.join(", ")}) SELECT ${nulls}${dialect.fromDual} WHERE 1 = 0`;
}
