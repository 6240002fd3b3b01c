import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { authority } from "../test/support/certificates.ts";

// Targets in a process of their own, so that their work is not counted as the bridge's: one that accepts everything, and
// the bulk HR API, which asks for a certificate. Reports their addresses to its parent and ends with it.

/** Addresses of the targets, and the certificate the HR API asks for. */
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
const listening = (each: http.Server | https.Server) =>
  new Promise<number>((resolve) => {
    each.listen(0, "127.0.0.1", () => resolve((each.address() as AddressInfo).port));
  });
const targets: Targets = {
  port: await listening(server),
  hrPort: await listening(hr),
  certificate: { ...(await trusted.client("bench")), ca: trusted.ca },
};
process.send?.(targets);
process.on("disconnect", () => process.exit());
