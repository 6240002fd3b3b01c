import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import oracledb from "oracledb";
import { Client } from "pg";
import { afterAll, beforeAll, describe } from "vitest";
import type { DatabaseAddress, Login } from "../../connectors/protocols/sql/dialect.ts";
import { pgliteServer } from "./pglite-server.ts";
import { skipTest } from "./skipped-tests.ts";

/** A real database with the tables and grants from the documentation, and access that bypasses the connector. */
export interface TestDatabase extends AsyncDisposable {
  readonly dialect: keyof typeof employee;
  readonly place: Pick<DatabaseAddress, "host" | "port" | "database" | "tls">;
  readonly login: Login;
  /** Runs a statement as the tables' owner. @returns the rows, with column names in lower case */
  ask(sql: string): Promise<Record<string, unknown>[]>;
}

/** A table as an agency might have it: a numeric key, a required column, a check and a deferred unique constraint. */
const employee = {
  postgresql: `CREATE TABLE employee (id integer PRIMARY KEY, name varchar(10) NOT NULL DEFAULT 'nobody', hours numeric(4,1),
    start_on date, active boolean, seen_at timestamptz, extra json, email text UNIQUE DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT hours_sane CHECK (hours < 100))`,
  oracle: `CREATE TABLE employee (id NUMBER(10) PRIMARY KEY, name VARCHAR2(10) DEFAULT 'nobody' NOT NULL, hours NUMBER(4,1),
    start_on DATE, active NUMBER(1), seen_at TIMESTAMP WITH TIME ZONE, extra CLOB, email VARCHAR2(200) UNIQUE DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT hours_sane CHECK (hours < 100))`,
};

const grant = "GRANT SELECT, INSERT, UPDATE, DELETE ON employee TO hms_bridge";

function ddl(dialect: TestDatabase["dialect"]): string {
  return readFileSync(join(import.meta.dirname, "../../docs/sql", `${dialect}.sql`), "utf8");
}

/** Starts PGlite behind a socket. Its only user is a superuser, so this does not test grants. */
export async function pglite(): Promise<TestDatabase> {
  const { port, login, ask, ...server } = await pgliteServer(
    `CREATE ROLE hms_bridge; ${ddl("postgresql")}; ${employee.postgresql}`,
  );
  return {
    dialect: "postgresql",
    place: { host: "127.0.0.1", port, database: "postgres", tls: false },
    login,
    ask,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Returns the folder of the newest PostgreSQL server programs on this machine, or `undefined` if there are none. */
export function postgresPrograms(): string | undefined {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  return versions.map((version) => join(debian, version, "bin")).find((folder) => existsSync(join(folder, "postgres")));
}

/**
 * Starts a PostgreSQL server on a free port with password authentication. PostgreSQL refuses to run as root; if the
 * tests do, the server runs as `nobody`.
 *
 * @param programs folder of the server programs
 * @param tls key and certificate in PEM; without them, connections are in plaintext
 */
export async function postgres(programs: string, tls?: { key: string; cert: string }): Promise<TestDatabase> {
  const folder = mkdtempSync(join(tmpdir(), "bridge-postgres-"));
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;
  const writeOwned = (name: string, text: string) => {
    const file = join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    if (nobody) chownSync(file, nobody.uid, nobody.gid);
    return file;
  };
  if (nobody) chownSync(folder, nobody.uid, nobody.gid);
  const data = join(folder, "data");
  const password = "of the owner";
  const auth = ["-A", "scram-sha-256", "--pwfile", writeOwned("password", password)];
  const init = ["-D", data, "-U", "owner", ...auth, "--no-sync", "-E", "UTF8"];
  execFileSync(join(programs, "initdb"), init, { cwd: folder, stdio: "pipe", ...nobody });
  const port = await freePort();
  const settings = {
    ...{ listen_addresses: "127.0.0.1", port, unix_socket_directories: folder, fsync: "off" },
    ...(tls && {
      ssl: "on",
      ssl_cert_file: writeOwned("cert.pem", tls.cert),
      ssl_key_file: writeOwned("key.pem", tls.key),
    }),
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const child = spawn(join(programs, "postgres"), ["-D", data, ...args], { cwd: folder, stdio: "ignore", ...nobody });
  const owner = await connected(
    () => new Client({ host: "127.0.0.1", port, user: "owner", password, database: "postgres" }),
  );
  const login = { user: "hms_bridge", password: "open sesame" };
  await owner.query(`CREATE ROLE ${login.user} LOGIN PASSWORD '${login.password}'; ${ddl("postgresql")};
    ${employee.postgresql}; ${grant}`);
  return {
    dialect: "postgresql",
    place: { host: "127.0.0.1", port, database: "postgres", tls: tls !== undefined },
    login,
    ask: async (sql) => (await owner.query<Record<string, unknown>>(sql)).rows,
    async [Symbol.asyncDispose]() {
      await owner.end();
      child.kill("SIGINT");
      if (child.exitCode === null) await once(child, "exit");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Connects a client, retrying for 30 s while its server starts. */
async function connected(make: () => Client): Promise<Client> {
  const until = Date.now() + 30_000;
  for (;;) {
    const client = make();
    try {
      await client.connect();
      return client;
    } catch (error) {
      if (Date.now() > until) throw error;
      await setTimeout(50);
    }
  }
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/**
 * Connects to an Oracle database provided for the tests: `oracle://user:password@host:1521/service`, or `oracles:` for
 * TLS. Drops the login's tables with the bridge's names and creates them again, so the login must own nothing of value.
 */
export async function providedOracle(text: string): Promise<TestDatabase> {
  const url = new URL(text);
  const tls = url.protocol === "oracles:";
  const login = { user: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
  const place = {
    ...{ host: url.hostname, port: Number(url.port), database: url.pathname.slice(1), tls },
  };
  const owner = await oracledb.getConnection({
    ...login,
    connectString: `${tls ? "tcps" : "tcp"}://${url.host}/${place.database}`,
  });
  const statements = `${ddl("oracle")}\n${employee.oracle};`
    .replaceAll(/--.*$/gm, "")
    .split(/;\n(?!END)|^\/$/m)
    .map((statement) => statement.trim().replace(/;$/, ""))
    .filter((statement) => statement !== "" && !statement.startsWith("GRANT"))
    .map((statement) => (statement.includes("TRIGGER") ? `${statement};` : statement));
  for (const table of ["hms_audit", "hms_bridge_inbox", "hms_bridge_versions", "employee"]) {
    await owner.execute(`DROP TABLE ${table} PURGE`).catch(() => {});
  }
  for (const statement of statements) await owner.execute(statement);
  return {
    dialect: "oracle",
    place,
    login,
    async ask(sql) {
      const { rows = [], metaData = [] } = await owner.execute<unknown[]>(sql, [], {
        autoCommit: true,
        fetchTypeHandler: ({ dbType }) => (dbType === oracledb.DB_TYPE_CLOB ? { type: oracledb.STRING } : undefined),
      });
      return rows.map((row) => Object.fromEntries(metaData.map(({ name }, i) => [name.toLowerCase(), row[i]])));
    },
    [Symbol.asyncDispose]: () => owner.close(),
  };
}

const programs = postgresPrograms();
const oracleUrl = process.env.ORACLE_TEST_URL;

/** Opens each database available on this machine. A text is the reason why one is not. */
const databases: Readonly<Record<string, (() => Promise<TestDatabase>) | string>> = {
  PGlite: pglite,
  PostgreSQL: programs ? () => postgres(programs) : "no server here; apt-get install postgresql",
  Oracle: oracleUrl ? () => providedOracle(oracleUrl) : "no ORACLE_TEST_URL (oracle://user:password@host:1521/service)",
};

/** Declares tests for PGlite and, if available, for a PostgreSQL server and an Oracle database. */
export function onEachDatabase(what: string, declare: (database: () => TestDatabase, name: string) => void): void {
  for (const [name, open] of Object.entries(databases)) {
    if (typeof open === "string") {
      skipTest(`${what} in ${name}`, open);
      continue;
    }
    describe(`${what} in ${name}`, () => {
      let database: TestDatabase;
      beforeAll(async () => {
        database = await open();
      });
      afterAll(() => database?.[Symbol.asyncDispose]());
      declare(() => database, name);
    });
  }
}

/** Creates the context of one attempt. */
export function contextFor<Config>(config: Config, login: Login, signal = new AbortController().signal) {
  const unused = (): never => {
    throw new Error("a connector to a database uses neither HTTP nor memory");
  };
  const http = { request: unused, deliver: unused, isAwake: unused };
  return { config, secret: login, http, memory: { get: unused, set: unused, isOpen: unused }, signal };
}

/** Point at which a proxy cuts the connection: before the commit reaches the database, after it, or after the response. */
export type Cut = "before" | "after" | "answered";

/** Starts a proxy to a database that cuts one connection at its commit for each entry of `cuts`. */
export async function cuttingProxy(port: number, cuts: Cut[]): Promise<{ port: number } & AsyncDisposable> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((client) => {
    const upstream = net.connect(port, "127.0.0.1");
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    let cut: Cut | undefined;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", end).on("close", end);
    }
    client.on("data", (data) => {
      if (!cut && data.includes("COMMIT\0")) cut = cuts.shift();
      if (cut === "before") return end();
      // `end` flushes the data first, so the commit reaches the database.
      if (cut === "after") return void upstream.end(data, () => client.destroy());
      upstream.write(data);
    });
    upstream.on("data", (data) => {
      if (cut) return end();
      client.write(data);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
