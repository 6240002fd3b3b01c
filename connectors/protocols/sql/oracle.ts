import { getCACertificates, setDefaultCACertificates } from "node:tls";
import type { BindParameter, Connection, DBError } from "oracledb";
import { type Bind, type Dialect, insertOf, quoted, type Rows, type Session, type SqlIssue } from "./dialect.ts";

/** How long one call of the database may take. ms */
const callMs = 4_000;

/** A longer text is bound as a CLOB: as a VARCHAR2 it would fit into nothing but a LONG. bytes */
const varcharBytes = 4_000;

export const oracle: Dialect = {
  fromNothing: " FROM dual",
  forUpdate: "FOR UPDATE WAIT 3",

  own: (name) => quoted(name.toUpperCase()),

  bound(number, type) {
    if (type === "date") return `TO_DATE(:v${number}, 'YYYY-MM-DD')`;
    if (type === "timestamp") return `FROM_TZ(TO_TIMESTAMP(:v${number}, 'YYYY-MM-DD"T"HH24:MI:SS.FF3"Z"'), 'UTC')`;
    return `:v${number}`;
  },

  asText(column, type) {
    if (type === "number") return `TO_CHAR(${column}, 'TM9', 'NLS_NUMERIC_CHARACTERS=''.,''')`;
    if (type === "date") return `TO_CHAR(${column}, 'YYYY-MM-DD')`;
    if (type === "timestamp") {
      // A DATE, and a time without a zone, are taken in the session's, which is UTC.
      const utc = `SYS_EXTRACT_UTC(CAST(${column} AS TIMESTAMP(9) WITH TIME ZONE))`;
      return `TO_CHAR(${utc}, 'YYYY-MM-DD"T"HH24:MI:SS.FF9"Z"')`;
    }
    // A text may be a CLOB, which TO_CHAR cuts.
    return type === "key" || type === "boolean" ? `TO_CHAR(${column})` : column;
  },

  asWas(number, type) {
    if (type === "number") return `TO_NUMBER(:v${number})`;
    if (type === "timestamp") return `FROM_TZ(TO_TIMESTAMP(:v${number}, 'YYYY-MM-DD"T"HH24:MI:SS.FF9"Z"'), 'UTC')`;
    return `:v${number}`;
  },

  // A value that is bound as a CLOB may stand in SET and VALUES, and not in USING.
  upsert(table, key, columns) {
    const sets = columns.map(({ name, bound }) => `t.${name} = ${bound}`);
    return [
      `MERGE INTO ${table} t USING (SELECT ${key.bound} AS k FROM dual) s ON (t.${key.name} = s.k)`,
      `WHEN MATCHED THEN UPDATE SET ${sets.join(", ")}`,
      `WHEN NOT MATCHED THEN INSERT (${[key.name, ...columns.map(({ name }) => name)].join(", ")})`,
      `VALUES (${["s.k", ...columns.map(({ bound }) => bound)].join(", ")})`,
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
    // A deferred constraint is checked at once: at COMMIT it would be too late to tell whose packet it is.
    await connection.execute("ALTER SESSION SET CONSTRAINTS = IMMEDIATE");
    await connection.execute("ALTER SESSION SET TIME_ZONE = 'UTC'");
    return sessionOf(connection, oracledb);
  },

  faultOf,
};

const trusted = new Set<string>();

/**
 * Trusts an authority, for all this process does: Oracle's driver takes one of its own only beside a certificate of
 * ours. On AWS the process is this one connector's.
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
  const run = async (sql: string, binds: readonly Bind[] = []): Promise<Rows> => {
    const named = Object.fromEntries(binds.map((bind, i) => [`v${i + 1}`, parameterOf(bind)]));
    const { rows = [], rowsAffected } = await connection.execute<unknown[]>(sql, named, {
      outFormat: oracledb.OUT_FORMAT_ARRAY,
      fetchTypeHandler: ({ dbType }) => (dbType === oracledb.DB_TYPE_CLOB ? { type: oracledb.STRING } : undefined),
    });
    return { count: rowsAffected ?? rows.length, rows };
  };
  return {
    // A transaction begins with its first change.
    begin: async () => {},
    run,
    async add(table, row) {
      const { sql, binds } = insertOf(oracle, table, row);
      try {
        return (await run(sql, binds)).count === 1;
      } catch (error) {
        // A statement that fails leaves nothing behind, and the transaction goes on.
        if (faultOf(error).kind === "there") return false;
        throw error;
      }
    },
    commit: () => connection.commit(),
    rollback: () => connection.rollback(),
    // The driver has no way to let go of its socket: an idle session holds a process until it is closed, 4 s at most.
    hold() {},
    destroy() {
      connection.break().catch(() => {});
      connection.close().catch(() => {});
    },
  };
}

/** Source: Oracle Database 23ai, "Error Messages". */
const refusals: Readonly<Record<number, string>> = {
  932: "a value is not of the column's type",
  1400: "a column may not be empty",
  1407: "a column may not be empty",
  1426: "a number is out of the column's range",
  1438: "a number is out of the column's range",
  1461: "a value is too long",
  1704: "a value is too long",
  1722: "a value is no number",
  1830: "a date or a time is none",
  1839: "a date or a time is none",
  1841: "a date or a time is out of range",
  1843: "a date or a time is none",
  1847: "a date or a time is none",
  1858: "a date or a time is none",
  1861: "a date or a time is none",
  2290: "a check of the table forbids it",
  2291: "a row that is referred to is not there",
  2292: "the row is still referred to",
  12899: "a value is too long",
  40478: "a value is too long",
};

const logins = new Set([1005, 1017, 1045, 28000, 28001, 28002]);

const setups: Readonly<Record<number, string>> = {
  904: "a column of the configuration is not in the table",
  942: "a table is not there, or the login may not see it",
  1031: "the login may not do this",
  1950: "the login may not take space",
  12505: "the listener knows no such database",
  12514: "the listener knows no such service",
};

const lost = new Set([28, 1012, 1033, 1034, 1089, 1090, 1092, 3113, 3114, 3135, 25408]);

function faultOf(error: unknown): SqlIssue {
  const { code = (error as Error).name, message = "" } = error as Partial<DBError>;
  // A driver's error often carries the database's own in its text, and tells more by it.
  const number = Number(/ORA-(\d{5})/.exec(`${code} ${message}`)?.[1]);
  if (Number.isNaN(number)) return driverFault(code);
  const ora = `ORA-${String(number).padStart(5, "0")}`;
  const [, column] = /\("[^"]+"\."[^"]+"\."([^"]+)"/.exec(message) ?? [];
  const [, constraint] = /\(([\w$#]+\.[\w$#]+)\)/.exec(message) ?? [];
  const about = column ?? constraint;
  if (number === 1)
    return { kind: "there", code: ora, about, answer: message, says: "another row has this value already" };
  const refusal =
    refusals[number] ?? (number >= 20_000 && number < 21_000 ? "a trigger of the table refuses it" : undefined);
  if (refusal !== undefined) return { kind: "refused", code: ora, about, answer: message, says: refusal };
  if (logins.has(number)) return { kind: "login", code: ora, says: "the database refused the login" };
  if (setups[number] !== undefined) return { kind: "setup", code: ora, about, says: setups[number] };
  // From 12150 to 12699 are the network's.
  const isLost = lost.has(number) || (number >= 12_150 && number < 12_700);
  if (number === 60) return { kind: "retry", code: ora, says: "the database broke a deadlock" };
  return {
    kind: isLost ? "lost" : "retry",
    code: ora,
    says: isLost ? "the database cannot be reached" : "the database failed",
  };
}

/** Source: node-oracledb 26.0, lib/errors.js. */
function driverFault(code: string): SqlIssue {
  const says: Readonly<Record<string, string>> = {
    "NJS-123": "the database was too slow, or a lock was held",
    "NJS-503": "the database cannot be reached",
    "NJS-505": "the wallet cannot be read",
    "NJS-506": "the database's certificate is not trusted, or it does not speak TLS",
    "NJS-510": "no connection within 2 s",
    "NJS-511": "the listener refused the connection",
  };
  if (code === "NJS-518" || code === "NJS-519") {
    return { kind: "setup", code, says: "the listener knows no such service" };
  }
  return { kind: "lost", code, says: says[code] ?? "the connection to the database failed" };
}
