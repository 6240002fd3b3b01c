import http from "node:http";
import https from "node:https";
import { connections, type HttpTransport, idleMs, perCertificate } from "./transport.ts";

/** Returns a transport that uses Node's built-in client, which adds nothing to a function's bundle. */
export function nodeTransport(): HttpTransport {
  const options = { keepAlive: true, maxSockets: connections, scheduling: "lifo", timeout: idleMs } as const;
  const plain = new http.Agent(options);
  const secureAgentFor = perCertificate(
    (secureContext) => new https.Agent({ ...options, ...(secureContext && { secureContext }) }),
  );
  return ({ method, url, headers, body, tls }, listener) => {
    const secure = url.protocol === "https:";
    const request = (secure ? https : http).request({
      protocol: url.protocol,
      hostname: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port,
      path: url.pathname + url.search,
      method,
      // Node writes a header list unchanged, which makes a request about 10% faster.
      headers,
      agent: secure ? secureAgentFor(tls) : plain,
    });
    request.on("socket", (socket) => {
      if (socket.connecting) socket.once(secure ? "secureConnect" : "connect", listener.begun);
      else listener.begun();
    });
    request.on("error", listener.failed);
    request.on("response", (response) => {
      listener.head(response.statusCode ?? 0, response.headers);
      response.on("data", listener.data);
      response.on("error", listener.failed);
      response.on("end", () => response.complete && listener.ended());
      response.on("close", () => response.complete || listener.failed(new Error("the response is incomplete")));
    });
    request.end(body);
    return () => request.destroy();
  };
}
