import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { type Operation, openToWrite, type Result, Writer } from "./write-operations.ts";

// Entry point of the thread that writes the SQLite file. Started by `database.ts`.

/** Outcome of a group: its results, or the message of the error that rejected the whole group. */
export type Answer = { readonly results: readonly Result[] } | { readonly error: string };

type Group = readonly Operation[];

const port = parentPort as NonNullable<typeof parentPort>;
const db = openToWrite(workerData as string);
const writer = new Writer(db);
port.on("message", (first: Group | "close") => {
  const groups: Group[] = [];
  let next: Group | "close" | undefined = first;
  for (; next !== undefined && next !== "close"; next = receiveMessageOnPort(port)?.message) groups.push(next);
  if (groups.length > 0) port.postMessage(applyGroups(groups));
  if (next !== "close") return;
  db.close();
  port.close();
});
// Signals that the file is open.
port.postMessage([]);

/** Applies all received groups in one transaction with one flush to disk. */
function applyGroups(groups: readonly Group[]): Answer[] {
  try {
    const results = writer.apply(groups.flat());
    return groups.map(({ length }) => ({ results: results.splice(0, length) }));
  } catch (error) {
    return groups.map(() => ({ error: (error as Error).message }));
  }
}
