import * as z from "zod";
import type { Json } from "../../../bridge/values/json.ts";

/*
 * What connectors to databases share. All that differs between the two dialects is in postgresql.ts and oracle.ts.
 *
 * Text of a packet never becomes text of a statement: values are bound, and names come from the configuration, where
 * they have passed `identifier`.
 */

/** A name of a schema, table or column, as the database has it: in Oracle usually in capitals. */
export const identifier = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_$#]{0,62}$/, "is no plain name of letters, digits, _, $ and #, 63 at most");

/** Address of a database, as part of a connector's configuration. */
export const databaseConfig = {
  host: z
    .string()
    .regex(/^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/, "is no host name and no IPv4 address")
    .describe("The database's host."),
  port: z.int().min(1).max(65_535).optional().describe("Its port. If not said: PostgreSQL 5432, Oracle 2484."),
  database: z
    .string()
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_.$#-]{0,127}$/, "is no plain name")
    .describe("PostgreSQL: the database's name. Oracle: the service's name."),
  schema: identifier.optional().describe("Where the tables are. If not said: the login's own schema."),
  tls: z.boolean().default(true).describe("Speak TLS, and check the database's certificate."),
  inTheClear: z.boolean().default(false).describe("Allow tls: false to a host that is not this machine."),
};

/** For `refine`: a configuration must not send the password over a network in the clear, unless it says so. */
export const tlsRule: [check: (place: Clarity) => boolean, otherwise: { path: string[]; message: string }] = [
  ({ tls, inTheClear, host }) => tls || inTheClear || /^(localhost|127(\.\d{1,3}){3})$/.test(host),
  { path: ["tls"], message: "is false for a host that is not this machine; if that is meant, add inTheClear: true" },
];

type Clarity = Pick<Place, "tls" | "inTheClear" | "host">;

export type Place = z.output<z.ZodObject<typeof databaseConfig>>;

/** The bridge's credentials for a database. */
export const loginSchema = z.strictObject({
  user: z.string().min(1),
  password: z.string().min(1),
  /** The authority that signed the database's certificate, in PEM, where the system does not know it. */
  ca: z.string().optional(),
  /** Oracle's `ewallet.pem`, where the database asks for a certificate: ours, its key, and the authority. */
  wallet: z.string().optional(),
});

export type Login = z.output<typeof loginSchema>;

/** How a value is bound. `timestamp` is a time with its offset, as in RFC 3339; `json` any value, kept as its text. */
export const valueTypes = ["text", "number", "boolean", "date", "timestamp", "json"] as const;
export type ValueType = (typeof valueTypes)[number];

/** A column that a field has. */
export const columnSchema = z.strictObject({
  column: identifier.describe("The column's name."),
  type: z.enum(valueTypes).default("text").describe("What the field holds, and how it is bound."),
});

/** A value as it is bound, of its type. */
export interface Bind {
  readonly type: ValueType;
  readonly value: string | number | boolean | null;
}

export interface Rows {
  /** Number of rows changed or found. */
  readonly count: number;
  /** Rows that a SELECT found, each with its values in column order. */
  readonly rows: readonly (readonly unknown[])[];
}

/** One connection, in one transaction at a time. */
export interface Session {
  begin(): Promise<void>;
  /** @param binds the first is the one the statement names by `dialect.bound(1, …)` */
  run(sql: string, binds?: readonly Bind[]): Promise<Rows>;
  /** Adds a row. @returns whether it is new; `false` where one with its key is there already, which stays as it is */
  add(table: string, row: readonly Valued[]): Promise<boolean>;
  /** @throws where the database did not say that all is committed */
  commit(): Promise<void>;
  rollback(): Promise<void>;
  /** Sets whether the session keeps the process alive. It should do so only while it is in use. */
  hold(on: boolean): void;
  /** Closes the session immediately, even if a statement is running. */
  destroy(): void;
}

/** SQL syntax and error codes that differ between databases. */
export interface Dialect {
  /** What a SELECT of mere values comes from. */
  readonly fromNothing: string;
  /** What a SELECT ends with that locks the rows it finds. */
  readonly forUpdate: string;
  /** A name that stands without quotation marks in the DDL, quoted. */
  own(name: string): string;
  /** What stands in a statement for the bind of this number, beginning with 1. */
  bound(number: number, type: ValueType): string;
  /**
   * A column's value as text: numbers with a point, dates as 2026-12-01, times in UTC as RFC 3339 with all their digits.
   * `key`: of whatever type it is.
   */
  asText(column: string, type: ValueType | "key"): string;
  /** What stands for a bind that has such a text, to be compared with its column. A number is a whole one. */
  asWas(number: number, type: "key" | "number" | "timestamp"): string;
  /** Writes values under a key, whether or not there is a row. Columns that are not named stay as they are. */
  upsert(table: string, key: Column, columns: readonly Column[]): string;
  connect(place: Place, login: Login): Promise<Session>;
  /** Classifies an error thrown by a session or by `connect`. */
  faultOf(error: unknown): SqlIssue;
}

/** Quoted column name and its value. */
export interface Valued {
  readonly name: string;
  readonly bind: Bind;
}

/** A column, quoted, and what stands for its value in a statement. */
export interface Column {
  readonly name: string;
  readonly bound: string;
}

/** Classified database error. */
export interface SqlIssue {
  /**
   * `there`: a row with this key is there already. `setup`: the database is not as the configuration says, a table or a
   * grant is missing. `lost`: nobody answers, or no longer.
   */
  readonly kind: "there" | "refused" | "setup" | "login" | "retry" | "lost";
  /** Message of the bridge. The database's own message could contain a value. */
  readonly says: string;
  /** The database's code: `23505`, `ORA-00001`. */
  readonly code: string;
  /** Column or constraint that caused the error, if the database names it. */
  readonly about?: string | undefined;
  /** The database's own message, for the operator only. */
  readonly answer?: string | undefined;
}

/** A value that `asText` has read. */
export function valueRead(type: ValueType, read: unknown): Json {
  if (read === null) return null;
  const text = String(read);
  if (type === "number") return Number(text);
  if (type === "boolean") return text === "true" || text === "1";
  return type === "json" ? (JSON.parse(text) as Json) : text;
}

/** Returns a table's full name from quoted parts. */
export function inSchema(schema: string | undefined, table: string): string {
  return schema === undefined ? table : `${quoted(schema)}.${table}`;
}

/** A name that has passed `identifier`, which has no quotation mark. */
export function quoted(name: string): string {
  return `"${name}"`;
}

/**
 * A packet's value as it is bound for a column of a type, or why it does not fit.
 *
 * A fault names no value. Null clears, whatever the type.
 */
export function bindOf(type: ValueType, value: Json): Bind | { readonly fault: string } {
  if (value === null) return { type, value };
  const isScalar = typeof value !== "object";
  switch (type) {
    case "text":
      if (isScalar && !String(value).includes("\0")) return { type, value: String(value) };
      return { fault: isScalar ? "takes text without NUL characters" : "takes text, and this is a list or an object" };
    case "number":
      return typeof value === "number" ? { type, value } : { fault: "takes a number" };
    case "boolean":
      return typeof value === "boolean" ? { type, value } : { fault: "takes true or false" };
    case "date":
      return isoDate.safeParse(value).success
        ? { type, value: value as string }
        : { fault: "takes a date, 2026-12-01" };
    case "timestamp": {
      const time = isoTime.safeParse(value);
      if (time.success) return { type, value: new Date(time.data).toISOString() };
      return { fault: "takes a time with its offset, 2026-12-01T00:00:00Z" };
    }
    case "json": {
      const text = JSON.stringify(value);
      return text.includes("\\u0000") ? { fault: "takes JSON without NUL characters" } : { type, value: text };
    }
  }
}

const isoDate = z.iso.date();
const isoTime = z.iso.datetime({ offset: true });

/** Values of one statement, numbered in the order they are added. */
export class Binds {
  readonly list: Bind[] = [];
  readonly #dialect: Dialect;

  constructor(dialect: Dialect) {
    this.#dialect = dialect;
  }

  /** What stands in the statement for this value, as often as it is needed. */
  add(bind: Bind): string {
    this.list.push(bind);
    return this.#dialect.bound(this.list.length, bind.type);
  }

  column({ name, bind }: Valued): Column {
    return { name, bound: this.add(bind) };
  }
}

/** A statement that adds a row, and its values. */
export function insertOf(dialect: Dialect, table: string, row: readonly Valued[]): { sql: string; binds: Bind[] } {
  const binds = new Binds(dialect);
  const columns = row.map((valued) => binds.column(valued));
  const names = columns.map(({ name }) => name).join(", ");
  return {
    sql: `INSERT INTO ${table} (${names}) VALUES (${columns.map(({ bound }) => bound).join(", ")})`,
    binds: binds.list,
  };
}

/** A statement that would add a row and adds none: it fails where table, columns or the right to do so are missing. */
export function addNothing(dialect: Dialect, table: string, columns: readonly string[]): string {
  const nulls = columns.map(() => "NULL").join(", ");
  return `INSERT INTO ${table} (${columns.join(", ")}) SELECT ${nulls}${dialect.fromNothing} WHERE 1 = 0`;
}
