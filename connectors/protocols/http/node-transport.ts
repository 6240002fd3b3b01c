import http from "node:http";
import https from "node:https";
import { connections, type HttpTransport, idleMs, perCertificate } from "./transport.ts";

/** Returns a transport that uses Node's built-in client, which adds nothing to a function's bundle. */
export function nodeTransport(): HttpTransport {
  const options = { keepAlive: true, maxSockets: connections, scheduling: "lifo", timeout: idleMs } as const;
  const plain = new http.Agent(options);
  const secured = perCertificate(
    (secureContext) => new https.Agent({ ...options, ...(secureContext && { secureContext }) }),
  );
  return ({ method, url, headers, body, tls }, listener) => {
    const secure = url.protocol === "https:";
    const call = (secure ? https : http).request({
      protocol: url.protocol,
      hostname: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port,
      path: url.pathname + url.search,
      method,
      // Node writes a header list unchanged, which makes a request about 10% faster.
      headers,
      agent: secure ? secured(tls) : plain,
    });
    call.on("socket", (socket) => {
      if (socket.connecting) socket.once(secure ? "secureConnect" : "connect", listener.begun);
      else listener.begun();
    });
    call.on("error", listener.failed);
    call.on("response", (answer) => {
      listener.head(answer.statusCode ?? 0, answer.headers);
      answer.on("data", listener.data);
      answer.on("error", listener.failed);
      answer.on("end", () => answer.complete && listener.ended());
      answer.on("close", () => answer.complete || listener.failed(new Error("the answer is not complete")));
    });
    call.end(body);
    return () => call.destroy();
  };
}
