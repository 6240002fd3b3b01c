import { getCACertificates } from "node:tls";
import type { Client, DatabaseError } from "pg";
import {
  type Bind,
  type Dialect,
  insertStatement,
  type QueryResult,
  quoted,
  type Session,
  type SqlIssue,
} from "./dialect.ts";

declare module "pg" {
  // Methods missing from the package's types.
  interface Client {
    ref(): void;
    unref(): void;
  }
}

/** Time limit that the database enforces on a statement and on an idle transaction. */
const statementMs = 4_000;

/** Time limit that the database enforces on waiting for a lock. */
const lockMs = 3_000;

/**
 * Begins a transaction with its settings. They are set per transaction, not per session, so that the connection can go
 * through a pooler that shares sessions between transactions. Deferred constraints are checked at each statement: at
 * COMMIT, a violation could not be traced to its packet.
 */
const begin = [
  "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
  `SET LOCAL statement_timeout = ${statementMs}`,
  `SET LOCAL lock_timeout = ${lockMs}`,
  `SET LOCAL idle_in_transaction_session_timeout = ${statementMs}`,
  "SET LOCAL TIME ZONE 'UTC'",
  "SET CONSTRAINTS ALL IMMEDIATE",
].join("; ");

/** The dialect of PostgreSQL. */
export const postgresql: Dialect = {
  fromDual: "",
  forUpdate: "FOR UPDATE",

  ownName: (name) => quoted(name.toLowerCase()),

  // Text and JSON have no cast, so PostgreSQL infers the column's type: it can be varchar, uuid or an enum.
  placeholder: (number, type) => {
    const cast = { text: "", json: "", number: "::numeric", boolean: "::boolean", date: "::date" } as const;
    return `$${number}${type === "timestamp" ? "::timestamptz" : cast[type]}`;
  },

  asText(column, type) {
    if (type === "date") return `to_char(${column}, 'YYYY-MM-DD')`;
    if (type === "timestamp") return `to_char(${column}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
    return `${column}::text`;
  },

  // No cast, so PostgreSQL infers the column's type and can use its index.
  fromText: (number) => `$${number}`,

  // UPDATE first: INSERT … ON CONFLICT fails on a missing NOT NULL column even if it would end as an update.
  upsert(table, key, columns) {
    const names = columns.map(({ name }) => name);
    const sets = columns.map(({ name, placeholder }) => `${name} = ${placeholder}`);
    const values = [key, ...columns].map(({ placeholder }) => placeholder);
    return [
      `WITH changed AS (UPDATE ${table} SET ${sets.join(", ")} WHERE ${key.name} = ${key.placeholder} RETURNING 1)`,
      `INSERT INTO ${table} (${[key.name, ...names].join(", ")})`,
      `SELECT ${values.join(", ")} WHERE NOT EXISTS (SELECT FROM changed)`,
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
    // Without a listener, an error on an idle connection would end the process. The next statement reports the error.
    client.on("error", () => {});
    await client.connect();
    return sessionOf(client);
  },

  classifyError,
};

function sessionOf(client: Client): Session {
  const run = async (text: string, binds: readonly Bind[] = []): Promise<QueryResult> => {
    const values = binds.map(({ value }) => value);
    const { rowCount, rows } = await client.query<unknown[]>({ text, values, rowMode: "array" });
    return { count: rowCount ?? 0, rows };
  };
  return {
    async begin() {
      await client.query(begin);
    },
    run,
    async insert(table, row) {
      const { sql, binds } = insertStatement(postgresql, table, row);
      return (await run(`${sql} ON CONFLICT DO NOTHING`, binds)).count === 1;
    },
    async commit() {
      const { command } = await client.query("COMMIT");
      // If a statement failed, PostgreSQL rolls back on COMMIT and reports ROLLBACK as the command, not an error.
      if (command !== "COMMIT") throw new Error(`the database answered COMMIT with ${command}`);
    },
    async rollback() {
      await client.query("ROLLBACK");
    },
    keepAlive(on) {
      if (on) client.ref();
      else client.unref();
    },
    destroy() {
      // Closes the connection at once if a statement is running. The server's time limits end the statement itself.
      client.end().catch(() => {});
    },
  };
}

/** Source: PostgreSQL 18, appendix A, "PostgreSQL Error Codes". */
const refusals: Readonly<Record<string, string>> = {
  "22001": "a value is too long",
  "22003": "a number is out of the column's range",
  "22007": "a date or time is invalid",
  "22008": "a date or time is out of range",
  "22P02": "a value is not of the column's type",
  "22P05": "a character is not in the database's character set",
  "22021": "a character is not in the database's character set",
  "23502": "a required column is empty",
  "23503": "a referenced row does not exist, or the row is still referenced",
  "23505": "another row already has this value",
  "23514": "a check constraint is violated",
  "23P01": "an exclusion constraint is violated",
  "44000": "the view's check option is violated",
  "54000": "the row is too large",
  P0001: "a trigger of the table rejected it",
};

const setups: Readonly<Record<string, string>> = {
  "3D000": "the database does not exist",
  "3F000": "the schema does not exist",
  "42501": "the login lacks a privilege",
  "42703": "a configured column does not exist",
  "42804": "a column's type differs from the configuration",
  "42P01": "a table does not exist",
  "42P10": "the key column has no unique index",
  "25006": "the database is read-only; it may be a standby",
};

function classifyError(error: unknown): SqlIssue {
  const { code, severity, column, constraint, table, message: answer } = error as Partial<DatabaseError>;
  if (severity === undefined || code === undefined) return classifyConnectionError(error as NodeJS.ErrnoException);
  const objectName = column ?? constraint ?? undefined;
  // The answer leaves out the error's detail, which contains the whole row.
  const refusal = refusals[code];
  if (refusal !== undefined || /^(22|23)/.test(code)) {
    const kind = code === "23505" ? "duplicate" : "refused";
    return { kind, code, objectName, answer, message: refusal ?? "a value was rejected" };
  }
  if (code === "28P01" || code === "28000") return { kind: "login", code, message: "the database rejected the login" };
  if (/^(3D|3F|42|25006)/.test(code)) {
    const message = setups[code] ?? "the database does not match the configuration";
    return { kind: "setup", code, objectName: column ?? table, message };
  }
  // FATAL ends the connection: a shutdown, too many connections, an idle transaction.
  const isOver = severity === "FATAL" || severity === "PANIC" || /^(08|57P)/.test(code);
  return { kind: isOver ? "lost" : "retry", code, message: serverState(code) };
}

function serverState(code: string): string {
  if (code === "40P01") return "the database resolved a deadlock";
  if (code === "57014" || code === "55P03") return "the database was too slow, or a lock was held";
  if (code.startsWith("40")) return "the database rolled the transaction back";
  if (code.startsWith("53")) return "the database is out of resources";
  if (code.startsWith("57P")) return "the database is shutting down or starting";
  return "the database failed";
}

function classifyConnectionError({ code, message, name }: NodeJS.ErrnoException): SqlIssue {
  if (/does not support SSL|establishing an SSL/.test(message)) {
    return { kind: "lost", code: "no-tls", message: "the database does not support TLS" };
  }
  return { kind: "lost", code: code ?? name, message: "the connection to the database failed" };
}
