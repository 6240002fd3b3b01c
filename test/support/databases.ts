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
import type { Login, Place } from "../../connectors/protocols/sql/dialect.ts";
import { pgliteServer } from "./pglite-server.ts";
import { skipTest } from "./skipped-tests.ts";

/** A real database, with the tables and grants the documentation gives, and a way in past the connector. */
export interface TestDatabase extends AsyncDisposable {
  readonly dialect: keyof typeof employee;
  readonly place: Pick<Place, "host" | "port" | "database" | "tls">;
  readonly login: Login;
  /** Runs a statement as the tables' owner. @returns the rows, their names in lower case */
  ask(sql: string): Promise<Record<string, unknown>[]>;
}

/** A table as an agency might have it: a key that is a number, a column that may not be empty, a deferred constraint. */
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

/** PostgreSQL as a library, over the wire all the same. Its one user may do everything: grants are not tried here. */
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

/** Where PostgreSQL's server programs are on this machine, or nothing. */
export function postgresPrograms(): string | undefined {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  return versions.map((version) => join(debian, version, "bin")).find((folder) => existsSync(join(folder, "postgres")));
}

/**
 * A PostgreSQL server of our own on a free port, with passwords and, where it is given key and certificate, with TLS.
 *
 * @param programs the folder of its programs; PostgreSQL refuses to run as root, so there it runs as nobody
 */
export async function postgres(programs: string, tls?: { key: string; cert: string }): Promise<TestDatabase> {
  const folder = mkdtempSync(join(tmpdir(), "bridge-postgres-"));
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;
  const give = (name: string, text: string) => {
    const file = join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    if (nobody) chownSync(file, nobody.uid, nobody.gid);
    return file;
  };
  if (nobody) chownSync(folder, nobody.uid, nobody.gid);
  const data = join(folder, "data");
  const password = "of the owner";
  const auth = ["-A", "scram-sha-256", "--pwfile", give("password", password)];
  const init = ["-D", data, "-U", "owner", ...auth, "--no-sync", "-E", "UTF8"];
  execFileSync(join(programs, "initdb"), init, { cwd: folder, stdio: "pipe", ...nobody });
  const port = await freePort();
  const settings = {
    ...{ listen_addresses: "127.0.0.1", port, unix_socket_directories: folder, fsync: "off" },
    ...(tls && { ssl: "on", ssl_cert_file: give("cert.pem", tls.cert), ssl_key_file: give("key.pem", tls.key) }),
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

/** The client once its server has started. */
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
 * An Oracle database somebody gives for the tests: `oracle://user:password@host:1521/service`, over TLS with `oracles:`.
 * The login must own nothing it would miss: its tables of the bridge's names are dropped and made anew.
 */
export async function givenOracle(text: string): Promise<TestDatabase> {
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

/** Which databases there are here, and how each is had; or why it is passed over. */
const databases: Readonly<Record<string, (() => Promise<TestDatabase>) | string>> = {
  PGlite: pglite,
  PostgreSQL: programs ? () => postgres(programs) : "no server here; apt-get install postgresql",
  Oracle: oracleUrl ? () => givenOracle(oracleUrl) : "no ORACLE_TEST_URL (oracle://user:password@host:1521/service)",
};

/** Runs promises on PostgreSQL over the wire always, and on a PostgreSQL server and an Oracle where there are any. */
export function onEachDatabase(what: string, promises: (database: () => TestDatabase, name: string) => void): void {
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
      promises(() => database, name);
    });
  }
}

/** A context for one try. */
export function contextFor<Config>(config: Config, login: Login, signal = new AbortController().signal) {
  const unused = (): never => {
    throw new Error("a connector to a database asks for neither HTTP nor memory");
  };
  const http = { request: unused, deliver: unused, isAwake: unused };
  return { config, secret: login, http, memory: { get: unused, set: unused, isOpen: unused }, signal };
}

/** Where a proxy cuts the connection: before the database hears of the commit, after that, or after it has answered. */
export type Cut = "before" | "after" | "answered";

/** A way to a database that is cut when a commit comes by, once for each cut it is given. */
export async function cuttingProxy(port: number, cuts: Cut[]): Promise<{ port: number } & AsyncDisposable> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((near) => {
    const far = net.connect(port, "127.0.0.1");
    const end = () => {
      near.destroy();
      far.destroy();
    };
    let cut: Cut | undefined;
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", end).on("close", end);
    }
    near.on("data", (data) => {
      if (!cut && data.includes("COMMIT\0")) cut = cuts.shift();
      if (cut === "before") return end();
      // What was written leaves before the connection does: the database hears of it.
      if (cut === "after") return void far.end(data, () => near.destroy());
      far.write(data);
    });
    far.on("data", (data) => {
      if (cut) return end();
      near.write(data);
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
