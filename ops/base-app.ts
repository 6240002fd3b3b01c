import { Hono, type MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { secureHeaders } from "hono/secure-headers";
import { ApiProblem } from "./problem.ts";

/** The largest request body allowed: an edit of the largest packet, plus its reason. */
const maxBodyBytes = 524_288;

export interface PageFile {
  /** Media type. */
  readonly type: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

export interface BaseAppOptions {
  /** Lets a request through or responds with a problem. Runs before anything else. */
  readonly guard: MiddlewareHandler;
  /** Returns a file of the Sync Dashboard by its path. These files hold no data and need no token. */
  readonly page?: (path: string) => Promise<PageFile | undefined>;
}

/** Creates the app that the operator API is added to: security headers, guard, body limit and the dashboard's files. */
export function createBaseApp({ guard, page }: BaseAppOptions): Hono {
  const app = new Hono();
  app.use(headers);
  for (const path of ["/api/*", "/metrics", "/openapi.json"]) app.use(path, guard);
  app.use("/api/*", bodyLimit({ maxSize: maxBodyBytes, onError: tooLarge }));
  app.notFound(async ({ req }) => {
    const file = req.method === "GET" ? await page?.(req.path) : undefined;
    if (file) return new Response(file.body, { headers: { "content-type": file.type, "cache-control": "no-cache" } });
    return new ApiProblem("missing", "There is no such operation. /openapi.json lists all operations.").response();
  });
  return app;
}

/** Allows only the app's own scripts and styles, and forbids framing. */
const headers = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'", "data:"],
    fontSrc: ["'self'"],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
  crossOriginOpenerPolicy: "same-origin",
  crossOriginResourcePolicy: "same-origin",
  referrerPolicy: "no-referrer",
  xFrameOptions: "DENY",
  // The loopback server has no certificate, and the gateway on AWS accepts HTTPS only.
  strictTransportSecurity: false,
});

function tooLarge(): Response {
  return new ApiProblem("too-large", `A request body may have at most ${maxBodyBytes} bytes.`).response();
}
