import type { Hono } from "hono";
import { type BaseAppOptions, createBaseApp } from "./base-app.ts";
import { ApiProblem } from "./problem.ts";

/** Sends a request to a remote bridge's API, given the path with its query. */
export type Ask = (
  path: string,
  init: { readonly method: string; readonly headers: Record<string, string>; readonly body?: string },
) => Promise<Response>;

/**
 * Creates a proxy to the API of a remote bridge, for the dashboard on this machine.
 *
 * `ask` adds its own credentials. The content type is the only header forwarded, in both directions.
 */
export function createProxy(ask: Ask, options: BaseAppOptions): Hono {
  const app = createBaseApp(options);
  app.on(["GET", "POST"], "/api/*", async ({ req }) => {
    const { pathname, search } = new URL(req.url);
    const body = req.method === "POST" ? await req.text() : "";
    const requestType = req.header("content-type");
    const response = await ask(`${pathname}${search}`, {
      method: req.method,
      headers: requestType === undefined ? {} : { "content-type": requestType },
      ...(body !== "" && { body }),
    });
    const type = response.headers.get("content-type") ?? "";
    // A gateway in front of the API answers in its own format. The page would attribute a 401 to its own token.
    if (!/^application\/(problem\+)?json/.test(type) || response.status === 401) return gatewayProblem(response.status);
    return new Response(response.body, {
      status: response.status,
      headers: { "content-type": type, "cache-control": "no-store" },
    });
  });
  app.onError(() =>
    new ApiProblem(
      "unavailable",
      "The remote bridge does not respond. Check your AWS credentials and region.",
    ).response(),
  );
  return app;
}

function gatewayProblem(status: number): Response {
  return status === 401 || status === 403
    ? new ApiProblem(
        "forbidden",
        "Your AWS credentials have expired or do not permit this operation. Renew them, then start bridge console again.",
      ).response()
    : new ApiProblem("unavailable", `The gateway in front of the API answered ${status}. Try again.`).response();
}
