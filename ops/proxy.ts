import type { Hono } from "hono";
import { type BaseAppOptions, createBaseApp } from "./base-app.ts";
import { ProblemError } from "./problem.ts";

/** Asks a bridge elsewhere: by its API's path and query. */
export type Ask = (
  path: string,
  init: { readonly method: string; readonly headers: Record<string, string>; readonly body?: string },
) => Promise<Response>;

/**
 * The API of a bridge elsewhere, for a page on this machine: what is asked here is asked there, in the name `ask` has.
 *
 * Nothing of a caller's headers goes there but the body's type, and nothing of the answer's comes back but its own.
 */
export function createProxy(ask: Ask, around: BaseAppOptions): Hono {
  const app = createBaseApp(around);
  app.on(["GET", "POST"], "/api/*", async ({ req }) => {
    const { pathname, search } = new URL(req.url);
    const body = req.method === "POST" ? await req.text() : "";
    const type = req.header("content-type");
    const answer = await ask(`${pathname}${search}`, {
      method: req.method,
      headers: type === undefined ? {} : { "content-type": type },
      ...(body !== "" && { body }),
    });
    const told = answer.headers.get("content-type") ?? "";
    // What stands before the API says no in words of its own; and a 401 of it would be taken for the page's own token.
    if (!/^application\/(problem\+)?json/.test(told) || answer.status === 401) return refusedThere(answer.status);
    return new Response(answer.body, {
      status: answer.status,
      headers: { "content-type": told, "cache-control": "no-store" },
    });
  });
  app.onError(() =>
    new ProblemError(
      "unavailable",
      "The bridge elsewhere does not answer; are your credentials and region right?",
    ).response(),
  );
  return app;
}

function refusedThere(status: number): Response {
  return status === 401 || status === 403
    ? new ProblemError(
        "forbidden",
        "Your AWS credentials may not call this operation of the API, or have expired: renew them, and start bridge console anew.",
      ).response()
    : new ProblemError("unavailable", `What stands before the API answered ${status}; try again.`).response();
}
