import { hash, timingSafeEqual } from "node:crypto";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import type { Hono, MiddlewareHandler } from "hono";
import { createOpsApp } from "./app.ts";
import type { BaseAppOptions } from "./base-app.ts";
import type { OpsContext } from "./endpoint.ts";
import { inboundRoutes } from "./inbound-routes.ts";
import { ProblemError } from "./problem.ts";
import { type Ask, createProxy } from "./proxy.ts";

export interface ListenOptions {
  /** 0: any that is free. */
  readonly port: number;
  /** What a caller must know. */
  readonly token: string;
  readonly page?: BaseAppOptions["page"];
}

export interface ServeOptions extends ListenOptions {
  /** Who calls: whoever has the token is who runs this process. */
  readonly actor: string;
}

export interface Served {
  /** `http://127.0.0.1:8642` */
  readonly url: string;
  close(): Promise<void>;
}

const loopback = "127.0.0.1";

/** A call must be over by then: request and headers, in ms. */
const requestMs = 30_000;

/**
 * Serves the API, and the door for what outside systems say, to this machine alone: they come through a proxy of yours.
 *
 * @throws where the port is taken
 */
export function serveOps(ops: OpsContext, { actor, ...door }: ServeOptions): Promise<Served> {
  const app = createOpsApp(ops, { ...aroundOf(door), actorOf: () => actor });
  app.route("/", inboundRoutes(ops.engine));
  return listen(app, door.port);
}

/**
 * Serves the API of a bridge elsewhere to this machine alone.
 *
 * @param ask asks it, in the operator's name
 * @throws where the port is taken
 */
export function serveProxy(ask: Ask, door: ListenOptions): Promise<Served> {
  return listen(createProxy(ask, aroundOf(door)), door.port);
}

function aroundOf({ token, page }: ListenOptions): BaseAppOptions {
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
 * Lets only callers of this machine through who know the token.
 *
 * A web page of elsewhere that the operator has open is kept out three times: it does not know the token, and sends none
 * by itself, because it is in no cookie; its origin is another; and where its name was pointed at this machine (DNS
 * rebinding), the host it asks for is not this one.
 */
export function localGuard(token: string): MiddlewareHandler {
  const wanted = digest(`Bearer ${token}`);
  return async ({ req }, next) => {
    if (!isThisMachine(req.header("host"))) {
      return new ProblemError("forbidden", "Call it by its address, http://127.0.0.1 and the port.").response();
    }
    const origin = req.header("origin");
    if (origin !== undefined && origin !== `http://${req.header("host")}`) {
      return new ProblemError("forbidden", "A page of another origin may not call this.").response();
    }
    if (!timingSafeEqual(digest(req.header("authorization") ?? ""), wanted)) {
      const { body } = new ProblemError(
        "no-token",
        "Send Authorization: Bearer and the token that bridge serve has printed; it also lies in the store's folder, as api.json.",
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

function isThisMachine(host: string | undefined): boolean {
  return host !== undefined && /^(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$/.test(host);
}
