import { parentPort, workerData } from "node:worker_threads";
import { type Operation, openToWrite, type Result, Writer } from "./writer.ts";

/** What the thread answers to a group of operations; its first message, to none, says that the file is open. */
export type Answer = { readonly results: readonly Result[] } | { readonly fault: string };

const db = openToWrite(workerData as string);
const writer = new Writer(db);
parentPort?.on("message", (group: readonly Operation[] | "close") => {
  if (group === "close") {
    db.close();
    parentPort?.close();
    return;
  }
  let answer: Answer;
  try {
    answer = { results: writer.apply(group) };
  } catch (error) {
    answer = { fault: (error as Error).message };
  }
  parentPort?.postMessage(answer);
});
parentPort?.postMessage({ results: [] } satisfies Answer);
