import { hash, timingSafeEqual } from "node:crypto";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import type { Hono, MiddlewareHandler } from "hono";
import { createOpsApp } from "./app.ts";
import type { BaseAppOptions } from "./base-app.ts";
import type { OpsContext } from "./endpoint.ts";
import { inboundRoutes } from "./inbound-routes.ts";
import { ApiProblem } from "./problem.ts";
import { type Ask, createProxy } from "./proxy.ts";

export interface ListenOptions {
  /** The port to listen on, or 0 for any free port. */
  readonly port: number;
  /** The bearer token that every caller must send. */
  readonly token: string;
  readonly page?: BaseAppOptions["page"];
}

export interface ServeOptions extends ListenOptions {
  /** The caller's name for the ledger. Anyone with the token acts as the user who runs this process. */
  readonly actor: string;
}

export interface Served {
  /** `http://127.0.0.1:8642` */
  readonly url: string;
  close(): Promise<void>;
}

const loopback = "127.0.0.1";

/** Time limit for receiving a request and its headers, in milliseconds. */
const requestMs = 30_000;

/**
 * Serves the operator API and the inbound webhook endpoint on the loopback interface. Outside systems reach the
 * webhook endpoint through your own reverse proxy.
 *
 * @throws if the port is in use
 */
export function serveOps(ops: OpsContext, { actor, ...options }: ServeOptions): Promise<Served> {
  const app = createOpsApp(ops, { ...appOptions(options), actorOf: () => actor });
  app.route("/", inboundRoutes(ops.engine));
  return listen(app, options.port);
}

/**
 * Serves the API of a remote bridge on the loopback interface.
 *
 * @param ask sends a request to the remote bridge with the operator's credentials
 * @throws if the port is in use
 */
export function serveProxy(ask: Ask, options: ListenOptions): Promise<Served> {
  return listen(createProxy(ask, appOptions(options)), options.port);
}

function appOptions({ token, page }: ListenOptions): BaseAppOptions {
  return { guard: localGuard(token), ...(page && { page }) };
}

async function listen(app: Hono, port: number): Promise<Served> {
  const server = createAdaptorServer({
    fetch: app.fetch,
    serverOptions: { requestTimeout: requestMs, headersTimeout: requestMs, maxHeaderSize: 16_384 },
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, loopback, resolve);
  });
  return {
    url: `http://${loopback}:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if ("closeAllConnections" in server) server.closeAllConnections();
      }),
  };
}

/**
 * Creates a guard that admits only callers on this machine that send the token.
 *
 * Three checks keep out other websites that the operator has open. The token is not in a cookie, so a browser does not
 * send it on its own. The `Origin` header must be this server's. The `Host` header must be a loopback name, which
 * prevents DNS rebinding.
 */
export function localGuard(token: string): MiddlewareHandler {
  const expected = digest(`Bearer ${token}`);
  return async ({ req }, next) => {
    if (!isLoopback(req.header("host"))) {
      return new ApiProblem(
        "forbidden",
        "Call this API at http://127.0.0.1 and its port. Other host names are rejected.",
      ).response();
    }
    const origin = req.header("origin");
    if (origin !== undefined && origin !== `http://${req.header("host")}`) {
      return new ApiProblem("forbidden", "Pages of other origins may not call this API.").response();
    }
    if (!timingSafeEqual(digest(req.header("authorization") ?? ""), expected)) {
      const { body } = new ApiProblem(
        "no-token",
        "Send the header Authorization: Bearer <token>. bridge serve prints the token and stores it in api.json in the store's folder.",
      );
      return new Response(JSON.stringify(body), {
        status: body.status,
        headers: { "content-type": "application/problem+json", "www-authenticate": "Bearer" },
      });
    }
    await next();
  };
}

function digest(text: string): Buffer {
  return hash("sha256", text, "buffer");
}

function isLoopback(host: string | undefined): boolean {
  return host !== undefined && /^(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$/.test(host);
}
