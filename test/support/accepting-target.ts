import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** An entry of the journal, as the fixture's connector sends it. */
interface JournalEntry {
  readonly number: number;
  readonly record: string;
  readonly amount: number;
}

/** Starts a target that answers every request with 200 and stores the packet ids and the journal's entries. */
export async function acceptingTarget() {
  const received = new Set<string>();
  const journal: JournalEntry[] = [];
  const server = createServer(async (request, response) => {
    const { "idempotency-key": key } = request.headers;
    const isRepeated = typeof key === "string" && received.has(key);
    if (typeof key === "string") received.add(key);
    const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>)).toString();
    // A request that took longer than its time limit is repeated under the same key.
    if (request.method === "POST" && request.url?.startsWith("/journal") && !isRepeated)
      journal.push(JSON.parse(body) as JournalEntry);
    response.writeHead(200).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    journal,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
