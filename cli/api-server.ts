import { randomBytes } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import { contextOf } from "../bridge/delivery/connector-context.ts";
import { probe } from "../bridge/maintenance/probe.ts";
import type { OpsContext } from "../ops/endpoint.ts";
import { type Served, serveOps } from "../ops/local-server.ts";
import packageJson from "../package.json" with { type: "json" };
import type { LocalEngine } from "../platform/local/engine.ts";
import { readPrivateFile, replacePrivateFile } from "../platform/local/secrets.ts";
import { pageFile } from "./console-assets.ts";

/** Where the API is, if not said: any free port where another process has this one. */
export const defaultPort = 8642;

/** Where a command finds the API of the process that works on its store, and the token for it. */
const apiEndpointSchema = z.strictObject({ url: z.url(), token: z.string().min(1) });
export type ApiEndpoint = z.output<typeof apiEndpointSchema>;

function apiEndpointFile(dir: string): string {
  return join(dir, "api.json");
}

/** @returns nothing where no process serves the store's API, or none has */
export function readApiEndpoint(dir: string): ApiEndpoint | undefined {
  const text = readPrivateFile(apiEndpointFile(dir));
  return text === undefined ? undefined : apiEndpointSchema.parse(JSON.parse(text));
}

export function localOps(engine: LocalEngine): OpsContext {
  return {
    engine,
    host: "local",
    version: packageJson.version,
    evidence: engine.sealing?.evidence(),
    alerts: engine.alerts,
    probe: (connector) => probe(engine, connector),
    async readiness(connector) {
      const context = await contextOf(engine, connector, new AbortController().signal);
      return context.ok ? "yes" : context.reason;
    },
  };
}

/**
 * Serves the operator's API on this machine until it is closed, and leaves word of it in the store's folder.
 *
 * @param port absent: 8642, or where that is taken any that is free
 * @throws where the port that was asked for is taken
 */
export async function startApi(engine: LocalEngine, port: number | undefined): Promise<Served & ApiEndpoint> {
  const token = randomBytes(32).toString("base64url");
  const options = { token, actor: userInfo().username, page: pageFile };
  const serve = (at: number) => serveOps(localOps(engine), { ...options, port: at });
  const served = await serve(port ?? defaultPort).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EADDRINUSE") throw error;
    if (port === undefined) return serve(0);
    throw new Error(`port ${port} is taken; name another with --port, or 0 for any that is free`, { cause: error });
  });
  const { url } = served;
  if (engine.dir !== undefined) replacePrivateFile(apiEndpointFile(engine.dir), `${JSON.stringify({ url, token })}\n`);
  return {
    url,
    token,
    async close() {
      await served.close();
      if (engine.dir !== undefined && isOurs(engine.dir, token)) rmSync(apiEndpointFile(engine.dir), { force: true });
    },
  };
}

/** Another process may have begun to serve the store since. */
function isOurs(dir: string, token: string): boolean {
  try {
    return readFileSync(apiEndpointFile(dir), "utf8").includes(token);
  } catch {
    return false;
  }
}
