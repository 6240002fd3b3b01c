import Agent from "undici/lib/dispatcher/agent.js";
import { connections, type HttpTransport, idleMs, perCertificate } from "./transport.ts";

/** Returns a transport that uses undici: half the work per request of Node's client, but 277 KiB more in a bundle. */
export function undiciTransport(connectMs: number): HttpTransport {
  // `client.ts` enforces the time limits, exactly.
  const options = { connections, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 } as const;
  const agentFor = perCertificate(
    (secureContext) =>
      new Agent({
        ...options,
        keepAliveTimeout: idleMs,
        keepAliveMaxTimeout: idleMs,
        connect: { timeout: connectMs, ...(secureContext && { secureContext }) },
      }),
  );
  return ({ method, url, headers, body, tls }, listener) => {
    let isAborted = false;
    let abort: (() => void) | undefined;
    let invalid: Error | undefined;
    agentFor(tls).dispatch(
      {
        origin: url.origin,
        method,
        path: url.pathname + url.search,
        headers: headers as string[],
        body: body ?? null,
        // Keeps the connection after every response. By default, undici closes it after a HEAD request.
        reset: false,
      },
      {
        onRequestStart(controller) {
          abort = () => controller.abort(new Error("the request was aborted"));
          if (isAborted) abort();
          else listener.begun();
        },
        onResponseStart: (_, status, responseHeaders) => listener.head(status, responseHeaders),
        onResponseData: (_, chunk) => listener.data(chunk),
        onResponseEnd: () => listener.ended(),
        onResponseError(_, error) {
          if ((error as NodeJS.ErrnoException).code === "UND_ERR_INVALID_ARG") invalid = error;
          else if (!isAborted) listener.failed(error);
        },
      },
    );
    // An invalid request throws synchronously.
    if (invalid) throw invalid;
    return () => {
      isAborted = true;
      abort?.();
    };
  };
}
