import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";

/** One request as the target received it. */
export interface Received {
  readonly method: string;
  readonly path: string;
  /** The parsed body if it is JSON, else its text. */
  readonly body: unknown;
  readonly key: string | undefined;
  readonly headers: http.IncomingHttpHeaders;
}

export type Answer = (request: Received, response: http.ServerResponse) => void;

/** A real HTTP server on loopback that plays an outside system. */
export interface TargetServer {
  readonly url: string;
  /** Every request other than GET and HEAD, in order. */
  readonly received: Received[];
  /** Returns the last request of each idempotency key: the effects at a target that recognizes repeats. */
  effects(): Received[];
  /** Answers all further requests. */
  answer: Answer;
  /** Breaks every connection and stops listening. */
  stop(): Promise<void>;
  /** Listens again on the same port. */
  restart(): Promise<void>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export const taken: Answer = (_, response) => {
  response.writeHead(204).end();
};

/** @param secure TLS options; without them, the server uses plain HTTP */
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
    stop: close,
    async restart() {
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
