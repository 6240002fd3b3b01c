import Agent from "undici/lib/dispatcher/agent.js";
import { connections, type HttpTransport, idleMs, perCertificate } from "./transport.ts";

/** Undici's client: half the work a request of Node's own, and 277 KiB of a bundle. */
export function undiciTransport(connectMs: number): HttpTransport {
  // The limits of time are http.ts's own, which are exact.
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
    let isOver = false;
    let breakOff: (() => void) | undefined;
    let fault: Error | undefined;
    agentFor(tls).dispatch(
      {
        origin: url.origin,
        method,
        path: url.pathname + url.search,
        headers: headers as string[],
        body: body ?? null,
        // Its connection is kept after every answer; undici's own way is to give it up after one to HEAD.
        reset: false,
      },
      {
        onRequestStart(controller) {
          breakOff = () => controller.abort(new Error("broken off"));
          if (isOver) breakOff();
          else listener.begun();
        },
        onResponseStart: (_, status, answered) => listener.head(status, answered),
        onResponseData: (_, chunk) => listener.data(chunk),
        onResponseEnd: () => listener.ended(),
        onResponseError(_, error) {
          if ((error as NodeJS.ErrnoException).code === "UND_ERR_INVALID_ARG") fault = error;
          else if (!isOver) listener.failed(error);
        },
      },
    );
    // A request that cannot be made is told at once.
    if (fault) throw fault;
    return () => {
      isOver = true;
      breakOff?.();
    };
  };
}
