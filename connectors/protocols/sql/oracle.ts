import { getCACertificates, setDefaultCACertificates } from "node:tls";
import type { BindParameter, Connection, DBError } from "oracledb";
import {
  type Bind,
  type Dialect,
  insertStatement,
  type QueryResult,
  quoted,
  type Session,
  type SqlIssue,
} from "./dialect.ts";

/** Time limit of one database call. */
const callMs = 4_000;

/** Longest text bound as a VARCHAR2. A longer text is bound as a CLOB: as a VARCHAR2 it would fit only a LONG column. */
const varcharBytes = 4_000;

/** The dialect of Oracle Database. */
export const oracle: Dialect = {
  fromDual: " FROM dual",
  forUpdate: "FOR UPDATE WAIT 3",

  ownName: (name) => quoted(name.toUpperCase()),

  placeholder(number, type) {
    if (type === "date") return `TO_DATE(:v${number}, 'YYYY-MM-DD')`;
    if (type === "timestamp") return `FROM_TZ(TO_TIMESTAMP(:v${number}, 'YYYY-MM-DD"T"HH24:MI:SS.FF3"Z"'), 'UTC')`;
    return `:v${number}`;
  },

  asText(column, type) {
    if (type === "number") return `TO_CHAR(${column}, 'TM9', 'NLS_NUMERIC_CHARACTERS=''.,''')`;
    if (type === "date") return `TO_CHAR(${column}, 'YYYY-MM-DD')`;
    if (type === "timestamp") {
      // A DATE or a timestamp without a time zone is read in the session's time zone, which is UTC.
      const utc = `SYS_EXTRACT_UTC(CAST(${column} AS TIMESTAMP(9) WITH TIME ZONE))`;
      return `TO_CHAR(${utc}, 'YYYY-MM-DD"T"HH24:MI:SS.FF9"Z"')`;
    }
    // Text columns are read as they are: TO_CHAR would truncate a CLOB.
    return type === "key" || type === "boolean" ? `TO_CHAR(${column})` : column;
  },

  fromText(number, type) {
    if (type === "number") return `TO_NUMBER(:v${number})`;
    if (type === "timestamp") return `FROM_TZ(TO_TIMESTAMP(:v${number}, 'YYYY-MM-DD"T"HH24:MI:SS.FF9"Z"'), 'UTC')`;
    return `:v${number}`;
  },

  // Only the key is in USING: a value bound as a CLOB is allowed in SET and VALUES, but not there.
  upsert(table, key, columns) {
    const sets = columns.map(({ name, placeholder }) => `t.${name} = ${placeholder}`);
    return [
      `MERGE INTO ${table} t USING (SELECT ${key.placeholder} AS k FROM dual) s ON (t.${key.name} = s.k)`,
      `WHEN MATCHED THEN UPDATE SET ${sets.join(", ")}`,
      `WHEN NOT MATCHED THEN INSERT (${[key.name, ...columns.map(({ name }) => name)].join(", ")})`,
      `VALUES (${["s.k", ...columns.map(({ placeholder }) => placeholder)].join(", ")})`,
    ].join(" ");
  },

  async connect({ host, port, database, tls }, { user, password, ca, wallet }) {
    const { default: oracledb } = await import("oracledb");
    if (ca !== undefined) trust(ca);
    const address = `(ADDRESS=(PROTOCOL=${tls ? "tcps" : "tcp"})(HOST=${host})(PORT=${port ?? (tls ? 2_484 : 1_521)}))`;
    const limits = "(CONNECT_TIMEOUT=2)(TRANSPORT_CONNECT_TIMEOUT=2)(RETRY_COUNT=0)";
    const connection = await oracledb.getConnection({
      user,
      password,
      connectString: `(DESCRIPTION=${limits}${address}(CONNECT_DATA=(SERVICE_NAME=${database})))`,
      ...(wallet !== undefined && { walletContent: wallet }),
    });
    connection.callTimeout = callMs;
    // Checks deferred constraints at each statement. At COMMIT, a violation could not be traced to its packet.
    await connection.execute("ALTER SESSION SET CONSTRAINTS = IMMEDIATE");
    await connection.execute("ALTER SESSION SET TIME_ZONE = 'UTC'");
    return sessionOf(connection, oracledb);
  },

  classifyError,
};

const trusted = new Set<string>();

/**
 * Makes the whole process trust an authority: Oracle's driver accepts its own authority only together with a client
 * certificate. On AWS, each connector has a process of its own.
 */
function trust(ca: string): void {
  if (trusted.has(ca)) return;
  setDefaultCACertificates([...getCACertificates("default"), ca]);
  trusted.add(ca);
}

function sessionOf(connection: Connection, oracledb: typeof import("oracledb")): Session {
  const parameterOf = ({ type, value }: Bind): BindParameter => {
    if (type === "number") return { val: value, type: oracledb.DB_TYPE_NUMBER };
    if (type === "boolean") return { val: value === null ? null : Number(value), type: oracledb.DB_TYPE_NUMBER };
    const isLong = typeof value === "string" && Buffer.byteLength(value) > varcharBytes;
    return { val: value, type: isLong ? oracledb.DB_TYPE_CLOB : oracledb.DB_TYPE_VARCHAR };
  };
  const run = async (sql: string, binds: readonly Bind[] = []): Promise<QueryResult> => {
    const named = Object.fromEntries(binds.map((bind, i) => [`v${i + 1}`, parameterOf(bind)]));
    const { rows = [], rowsAffected } = await connection.execute<unknown[]>(sql, named, {
      outFormat: oracledb.OUT_FORMAT_ARRAY,
      fetchTypeHandler: ({ dbType }) => (dbType === oracledb.DB_TYPE_CLOB ? { type: oracledb.STRING } : undefined),
    });
    return { count: rowsAffected ?? rows.length, rows };
  };
  return {
    // Oracle begins a transaction implicitly with its first change.
    begin: async () => {},
    run,
    async insert(table, row) {
      const { sql, binds } = insertStatement(oracle, table, row);
      try {
        return (await run(sql, binds)).count === 1;
      } catch (error) {
        // A failed statement changes nothing, and the transaction continues.
        if (classifyError(error).kind === "duplicate") return false;
        throw error;
      }
    },
    commit: () => connection.commit(),
    rollback: () => connection.rollback(),
    // The driver cannot unref its socket: an idle session keeps the process alive until it is closed, for at most 4 s.
    keepAlive() {},
    destroy() {
      connection.break().catch(() => {});
      connection.close().catch(() => {});
    },
  };
}

/** Source: Oracle Database 23ai, "Error Messages". */
const refusals: Readonly<Record<number, string>> = {
  932: "a value is not of the column's type",
  1400: "a required column is empty",
  1407: "a required column is empty",
  1426: "a number is out of the column's range",
  1438: "a number is out of the column's range",
  1461: "a value is too long",
  1704: "a value is too long",
  1722: "a value is not a number",
  1830: "a date or time is invalid",
  1839: "a date or time is invalid",
  1841: "a date or time is out of range",
  1843: "a date or time is invalid",
  1847: "a date or time is invalid",
  1858: "a date or time is invalid",
  1861: "a date or time is invalid",
  2290: "a check constraint is violated",
  2291: "a referenced row does not exist",
  2292: "the row is still referenced",
  12899: "a value is too long",
  40478: "a value is too long",
};

const logins = new Set([1005, 1017, 1045, 28000, 28001, 28002]);

const setups: Readonly<Record<number, string>> = {
  904: "a configured column does not exist",
  942: "a table does not exist, or the login has no access to it",
  1031: "the login lacks a privilege",
  1950: "the login has no quota on the tablespace",
  12505: "the listener does not know the database",
  12514: "the listener does not know the service",
};

const lost = new Set([28, 1012, 1033, 1034, 1089, 1090, 1092, 3113, 3114, 3135, 25408]);

function classifyError(error: unknown): SqlIssue {
  const { code = (error as Error).name, message = "" } = error as Partial<DBError>;
  // A driver error often contains the database's error, which is more specific.
  const number = Number(/ORA-(\d{5})/.exec(`${code} ${message}`)?.[1]);
  if (Number.isNaN(number)) return classifyDriverError(code);
  const ora = `ORA-${String(number).padStart(5, "0")}`;
  const [, column] = /\("[^"]+"\."[^"]+"\."([^"]+)"/.exec(message) ?? [];
  const [, constraint] = /\(([\w$#]+\.[\w$#]+)\)/.exec(message) ?? [];
  const objectName = column ?? constraint;
  if (number === 1)
    return { kind: "duplicate", code: ora, objectName, answer: message, message: "another row already has this value" };
  const refusal =
    refusals[number] ?? (number >= 20_000 && number < 21_000 ? "a trigger of the table rejected it" : undefined);
  if (refusal !== undefined) return { kind: "refused", code: ora, objectName, answer: message, message: refusal };
  if (logins.has(number)) return { kind: "login", code: ora, message: "the database rejected the login" };
  if (setups[number] !== undefined) return { kind: "setup", code: ora, objectName, message: setups[number] };
  // Codes from 12150 to 12699 are network errors.
  const isLost = lost.has(number) || (number >= 12_150 && number < 12_700);
  if (number === 60) return { kind: "retry", code: ora, message: "the database resolved a deadlock" };
  return {
    kind: isLost ? "lost" : "retry",
    code: ora,
    message: isLost ? "the database cannot be reached" : "the database failed",
  };
}

/** Source: node-oracledb 26.0, lib/errors.js. */
function classifyDriverError(code: string): SqlIssue {
  const messages: Readonly<Record<string, string>> = {
    "NJS-123": "the database was too slow, or a lock was held",
    "NJS-503": "the database cannot be reached",
    "NJS-505": "the wallet cannot be read",
    "NJS-506": "the database's certificate is not trusted, or it does not support TLS",
    "NJS-510": "no connection within 2 s",
    "NJS-511": "the listener refused the connection",
  };
  if (code === "NJS-518" || code === "NJS-519") {
    return { kind: "setup", code, message: "the listener does not know the service" };
  }
  return { kind: "lost", code, message: messages[code] ?? "the connection to the database failed" };
}
