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
import { replaceFile } from "../platform/durable-file.ts";
import type { LocalEngine } from "../platform/local/engine.ts";
import { readPrivateFile } from "../platform/local/secrets.ts";
import { pageFile } from "./console-assets.ts";

/** The default port of the operator API. If it is in use, any free port is used instead. */
export const defaultPort = 8642;

/** Address and token of the API of the process that works on a store, kept in the store's `api.json`. */
const apiEndpointSchema = z.strictObject({ url: z.url(), token: z.string().min(1) });
export type ApiEndpoint = z.output<typeof apiEndpointSchema>;

function apiEndpointFile(dir: string): string {
  return join(dir, "api.json");
}

/**
 * Reads the address and token of the store's API.
 *
 * @returns undefined if no process has served it. A killed process leaves behind an outdated address.
 */
export function readApiEndpoint(dir: string): ApiEndpoint | undefined {
  const text = readPrivateFile(apiEndpointFile(dir));
  return text === undefined ? undefined : apiEndpointSchema.parse(JSON.parse(text));
}

/** Creates the API's context for a bridge in this process. */
export function localOps(engine: LocalEngine): OpsContext {
  return {
    engine,
    host: "local",
    version: packageJson.version,
    // Read for each request: the first seal creates the key.
    get evidence() {
      return engine.sealing?.evidence();
    },
    alerts: engine.alerts,
    probe: (connector) => probe(engine, connector),
    async readiness(connector) {
      const context = await contextOf(engine, connector, new AbortController().signal);
      return context.ok ? "yes" : context.reason;
    },
  };
}

/**
 * Serves the operator API on the loopback interface until it is closed, and records its address in the store's folder.
 *
 * @param port default: 8642, or any free port if 8642 is in use
 * @throws if the given port is in use
 */
export async function startApi(engine: LocalEngine, port: number | undefined): Promise<Served & ApiEndpoint> {
  const token = randomBytes(32).toString("base64url");
  const options = { token, actor: userInfo().username, page: pageFile };
  const serveAt = (number: number) => serveOps(localOps(engine), { ...options, port: number });
  const served = await serveAt(port ?? defaultPort).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EADDRINUSE") throw error;
    if (port === undefined) return serveAt(0);
    throw new Error(`port ${port} is in use; choose another with --port, or --port 0 for any free port`, {
      cause: error,
    });
  });
  const { url } = served;
  if (engine.dir !== undefined) await replaceFile(apiEndpointFile(engine.dir), `${JSON.stringify({ url, token })}\n`);
  return {
    url,
    token,
    async close() {
      await served.close();
      if (engine.dir !== undefined && isOurs(engine.dir, token)) rmSync(apiEndpointFile(engine.dir), { force: true });
    },
  };
}

/** Checks that `api.json` still belongs to this process, because another process may now serve the store. */
function isOurs(dir: string, token: string): boolean {
  try {
    return readFileSync(apiEndpointFile(dir), "utf8").includes(token);
  } catch {
    return false;
  }
}
