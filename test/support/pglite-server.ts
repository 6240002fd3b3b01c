import { PGlite } from "@electric-sql/pglite";
import { PGLiteSocketServer } from "@electric-sql/pglite-socket";

/** PostgreSQL as a library in this process, on a port of loopback. Its database is called `postgres`. */
export interface PgliteServer extends AsyncDisposable {
  readonly port: number;
  readonly login: { readonly user: string; readonly password: string };
  /** Runs a statement past the wire. */
  ask(sql: string): Promise<Record<string, unknown>[]>;
}

/** @param ddl what is in it from the beginning */
export async function pgliteServer(ddl: string): Promise<PgliteServer> {
  const db = await PGlite.create();
  const server = new PGLiteSocketServer({ db, host: "127.0.0.1", port: 0, maxConnections: 20 });
  await server.start();
  await db.exec(ddl);
  return {
    port: Number(server.getServerConn().split(":").pop()),
    login: { user: "postgres", password: "postgres" },
    ask: async (sql) => (await db.query<Record<string, unknown>>(sql)).rows,
    async [Symbol.asyncDispose]() {
      await server.stop();
      await db.close();
    },
  };
}
