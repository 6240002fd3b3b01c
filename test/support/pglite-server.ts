import { PGlite } from "@electric-sql/pglite";
import { PGLiteSocketServer } from "@electric-sql/pglite-socket";

/** PGlite, which is PostgreSQL in this process, behind a socket on loopback. Its database is `postgres`. */
export interface PgliteServer extends AsyncDisposable {
  readonly port: number;
  readonly login: { readonly user: string; readonly password: string };
  /** Runs a statement directly, not through the socket. */
  ask(sql: string): Promise<Record<string, unknown>[]>;
}

/** @param ddl statements that create the initial tables */
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
