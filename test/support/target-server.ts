import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";

/** One request as a target saw it. */
export interface Received {
  readonly method: string;
  readonly path: string;
  /** Parsed where it is JSON, else its text. */
  readonly body: unknown;
  readonly key: string | undefined;
  readonly headers: http.IncomingHttpHeaders;
}

export type Answer = (request: Received, response: http.ServerResponse) => void;

/** A real HTTP server on loopback that stands for an outside system, and counts effects, not calls. */
export interface TargetServer {
  readonly url: string;
  /** Every request that changes something, in order. */
  readonly received: Received[];
  /** Requests with different idempotency keys: what a target with a memory would have done. */
  effects(): Received[];
  /** How it answers from now on. */
  answer: Answer;
  /** Breaks every connection and takes no new one, or wakes again on the same port. */
  sleep(): Promise<void>;
  wake(): Promise<void>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export const taken: Answer = (_, response) => {
  response.writeHead(204).end();
};

/** @param secure makes it one that speaks TLS, and may ask for certificates */
export async function targetServer(answer: Answer = taken, secure?: https.ServerOptions): Promise<TargetServer> {
  const received: Received[] = [];
  const target = { answer };
  const handle: http.RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const seen: Received = {
        method: request.method ?? "",
        path: request.url ?? "",
        body: bodyIn(text, request.headers["content-type"]),
        key: request.headers["idempotency-key"] as string | undefined,
        headers: request.headers,
      };
      if (seen.method !== "GET" && seen.method !== "HEAD") received.push(seen);
      target.answer(seen, response);
    });
  };
  const make = () => (secure ? https.createServer(secure, handle) : http.createServer(handle));
  let server = await listen(make(), 0);
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return {
    url: `${secure ? "https" : "http"}://127.0.0.1:${port}`,
    received,
    effects: () => [...new Map(received.map((request) => [request.key ?? request, request])).values()],
    get answer() {
      return target.answer;
    },
    set answer(next) {
      target.answer = next;
    },
    sleep: close,
    async wake() {
      server = await listen(make(), port);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function bodyIn(text: string, type = ""): unknown {
  if (text === "") return undefined;
  return /\bjson\b/.test(type) ? JSON.parse(text) : text;
}

function listen(server: http.Server, port: number): Promise<http.Server> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}
