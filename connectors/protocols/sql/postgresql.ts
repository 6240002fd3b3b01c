import { getCACertificates } from "node:tls";
import type { Client, DatabaseError } from "pg";
import { type Bind, type Dialect, insertOf, quoted, type Rows, type Session, type SqlIssue } from "./dialect.ts";

declare module "pg" {
  // There, and not in its types.
  interface Client {
    ref(): void;
    unref(): void;
  }
}

/** How long the database itself lets a statement run, a lock be waited for, and a transaction be left alone. ms */
const statementMs = 4_000;
const lockMs = 3_000;

/**
 * Set for each transaction and not for the session, so that a pooler which shares sessions between transactions may
 * stand between. Deferred constraints are checked at once: at COMMIT it would be too late to tell whose packet it is.
 */
const begin = [
  "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
  `SET LOCAL statement_timeout = ${statementMs}`,
  `SET LOCAL lock_timeout = ${lockMs}`,
  `SET LOCAL idle_in_transaction_session_timeout = ${statementMs}`,
  "SET LOCAL TIME ZONE 'UTC'",
  "SET CONSTRAINTS ALL IMMEDIATE",
].join("; ");

export const postgresql: Dialect = {
  fromNothing: "",
  forUpdate: "FOR UPDATE",

  own: (name) => quoted(name.toLowerCase()),

  // Text and JSON take the type of the column they stand for, so that a column may be of varchar, uuid or an enum.
  bound: (number, type) => {
    const cast = { text: "", json: "", number: "::numeric", boolean: "::boolean", date: "::date" } as const;
    return `$${number}${type === "timestamp" ? "::timestamptz" : cast[type]}`;
  },

  asText(column, type) {
    if (type === "date") return `to_char(${column}, 'YYYY-MM-DD')`;
    if (type === "timestamp") return `to_char(${column}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
    return `${column}::text`;
  },

  // Of the column's own type, so that its index serves.
  asWas: (number) => `$${number}`,

  // UPDATE first: an INSERT, even one that ends in an update, is refused where a column that is not named may not be empty.
  upsert(table, key, columns) {
    const names = columns.map(({ name }) => name);
    const sets = columns.map(({ name, bound }) => `${name} = ${bound}`);
    return [
      `WITH changed AS (UPDATE ${table} SET ${sets.join(", ")} WHERE ${key.name} = ${key.bound} RETURNING 1)`,
      `INSERT INTO ${table} (${[key.name, ...names].join(", ")})`,
      `SELECT ${[key.bound, ...columns.map(({ bound }) => bound)].join(", ")} WHERE NOT EXISTS (SELECT FROM changed)`,
      `ON CONFLICT (${key.name}) DO UPDATE SET ${names.map((name) => `${name} = EXCLUDED.${name}`).join(", ")}`,
    ].join(" ");
  },

  async connect({ host, port = 5_432, database, tls }, { user, password, ca }) {
    const { Client } = await import("pg");
    const trusted = ca === undefined ? undefined : [...getCACertificates("default"), ca];
    const client = new Client({
      host,
      port,
      database,
      user,
      password,
      ssl: tls && { rejectUnauthorized: true, ...(trusted && { ca: trusted }) },
      connectionTimeoutMillis: 2_000,
      application_name: "hms-sync-bridge",
    });
    // Without a listener a connection that breaks while idle would end the process. The next statement tells of it.
    client.on("error", () => {});
    await client.connect();
    return sessionOf(client);
  },

  faultOf,
};

function sessionOf(client: Client): Session {
  const run = async (text: string, binds: readonly Bind[] = []): Promise<Rows> => {
    const values = binds.map(({ value }) => value);
    const { rowCount, rows } = await client.query<unknown[]>({ text, values, rowMode: "array" });
    return { count: rowCount ?? 0, rows };
  };
  return {
    async begin() {
      await client.query(begin);
    },
    run,
    async add(table, row) {
      const { sql, binds } = insertOf(postgresql, table, row);
      return (await run(`${sql} ON CONFLICT DO NOTHING`, binds)).count === 1;
    },
    async commit() {
      const { command } = await client.query("COMMIT");
      // A transaction in which something failed answers a COMMIT by rolling back, and calls that no error.
      if (command !== "COMMIT") throw new Error(`the database answered COMMIT with ${command}`);
    },
    async rollback() {
      await client.query("ROLLBACK");
    },
    hold(on) {
      if (on) client.ref();
      else client.unref();
    },
    destroy() {
      // With a statement under way this closes the connection at once; what the server does then ends with its own limits.
      client.end().catch(() => {});
    },
  };
}

/** Source: PostgreSQL 18, appendix A, "PostgreSQL Error Codes". */
const refusals: Readonly<Record<string, string>> = {
  "22001": "a value is too long",
  "22003": "a number is out of the column's range",
  "22007": "a date or a time is none",
  "22008": "a date or a time is out of range",
  "22P02": "a value is not of the column's type",
  "22P05": "a character is unknown to the database",
  "22021": "a character is unknown to the database",
  "23502": "a column may not be empty",
  "23503": "a row that is referred to is not there, or still referred to",
  "23505": "another row has this value already",
  "23514": "a check of the table forbids it",
  "23P01": "a constraint of the table forbids it",
  "44000": "the view's check forbids it",
  "54000": "the row is too large",
  P0001: "a trigger of the table refuses it",
};

const setups: Readonly<Record<string, string>> = {
  "3D000": "there is no such database",
  "3F000": "there is no such schema",
  "42501": "the login may not do this",
  "42703": "a column of the configuration is not in the table",
  "42804": "a column is of another type than the configuration says",
  "42P01": "a table is not there",
  "42P10": "the key's column has no unique index",
  "25006": "the database takes no changes; it may be a standby",
};

function faultOf(error: unknown): SqlIssue {
  const { code, severity, column, constraint, table, message: answer } = error as Partial<DatabaseError>;
  if (severity === undefined || code === undefined) return connectionFault(error as NodeJS.ErrnoException);
  const about = column ?? constraint ?? undefined;
  // Not its detail: that has the whole row, with columns that are no business of ours.
  const says = refusals[code];
  if (says !== undefined || /^(22|23)/.test(code)) {
    return { kind: code === "23505" ? "there" : "refused", code, about, answer, says: says ?? "a value is refused" };
  }
  if (code === "28P01" || code === "28000") return { kind: "login", code, says: "the database refused the login" };
  if (/^(3D|3F|42|25006)/.test(code)) {
    return { kind: "setup", code, about: column ?? table, says: setups[code] ?? "the database is not as configured" };
  }
  // FATAL comes with the end of the connection: shut down, too many connections, an idle transaction.
  const isOver = severity === "FATAL" || severity === "PANIC" || /^(08|57P)/.test(code);
  return { kind: isOver ? "lost" : "retry", code, says: serverState(code) };
}

function serverState(code: string): string {
  if (code === "40P01") return "the database broke a deadlock";
  if (code === "57014" || code === "55P03") return "the database was too slow, or a lock was held";
  if (code.startsWith("40")) return "the database rolled the transaction back";
  if (code.startsWith("53")) return "the database is out of resources";
  if (code.startsWith("57P")) return "the database is shutting down or starting";
  return "the database failed";
}

function connectionFault({ code, message, name }: NodeJS.ErrnoException): SqlIssue {
  if (/does not support SSL|establishing an SSL/.test(message)) {
    return { kind: "lost", code: "no-tls", says: "the database does not speak TLS" };
  }
  return { kind: "lost", code: code ?? name, says: "the connection to the database failed" };
}
