import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { authority } from "../test/support/certificates.ts";

// Runs the targets in a process of their own, so that their work does not count as the bridge's: an HTTP server that
// accepts every request, and a bulk HR API that requires a client certificate. Sends their addresses to the parent
// process and ends with it.

/** Ports of the targets, and the client certificate that the HR API requires. */
export interface Targets {
  readonly port: number;
  readonly hrPort: number;
  readonly certificate: { readonly cert: string; readonly key: string; readonly ca: string };
}

const trusted = await authority();
const token = JSON.stringify({ access_token: "bench", token_type: "Bearer", expires_in: 3_600 });

const server = http.createServer((request, response) => {
  request.on("data", () => {});
  request.on("end", () => response.writeHead(204).end());
});
const hr = https.createServer(
  { ...(await trusted.server()), ca: trusted.ca, requestCert: true },
  (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      response.writeHead(200, { "content-type": "application/json" });
      if (request.url === "/token") return response.end(token);
      const { events } = JSON.parse(Buffer.concat(chunks).toString()) as { events: unknown[] };
      response.end(JSON.stringify({ events: events.map(() => ({ eventStatusCode: { codeValue: "complete" } })) }));
    });
  },
);
const listen = (each: http.Server | https.Server) =>
  new Promise<number>((resolve) => {
    each.listen(0, "127.0.0.1", () => resolve((each.address() as AddressInfo).port));
  });
const targets: Targets = {
  port: await listen(server),
  hrPort: await listen(hr),
  certificate: { ...(await trusted.client("bench")), ca: trusted.ca },
};
process.send?.(targets);
process.on("disconnect", () => process.exit());
