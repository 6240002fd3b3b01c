import { Hono, type MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { secureHeaders } from "hono/secure-headers";
import { ProblemError } from "./problem.ts";

/** The largest body: an edit of the largest packet, with room for its reason. */
const maxBodyBytes = 524_288;

export interface PageFile {
  /** Its media type. */
  readonly type: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

export interface BaseAppOptions {
  /** Lets a call through, or answers with a problem: before anything else is done. */
  readonly guard: MiddlewareHandler;
  /** A file of the operator's page, by its path; it holds no data, and is given to anybody. */
  readonly page?: (path: string) => Promise<PageFile | undefined>;
}

/** What stands around the operator's API wherever it is answered: headers, guard, limit, page. */
export function createBaseApp({ guard, page }: BaseAppOptions): Hono {
  const app = new Hono();
  app.use(headers);
  for (const place of ["/api/*", "/metrics", "/openapi.json"]) app.use(place, guard);
  app.use("/api/*", bodyLimit({ maxSize: maxBodyBytes, onError: tooLarge }));
  app.notFound(async ({ req }) => {
    const file = req.method === "GET" ? await page?.(req.path) : undefined;
    if (file) return new Response(file.body, { headers: { "content-type": file.type, "cache-control": "no-cache" } });
    return new ProblemError("missing", "There is no such call; /openapi.json says which there are.").response();
  });
  return app;
}

/** Scripts and styles of our own only, in no frame, and nothing kept by a browser. */
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
  // Loopback has no certificate; on AWS the gateway speaks HTTPS only.
  strictTransportSecurity: false,
});

function tooLarge(): Response {
  return new ProblemError("too-large", `A body may have at most ${maxBodyBytes} bytes.`).response();
}
