import { once } from "node:events";
import { statSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { Worker } from "node:worker_threads";
import { type Operation, openToWrite, type Result, Writer } from "./writer.ts";
import type { Answer } from "./writer-thread.ts";

interface Waiting {
  readonly operation: Operation;
  readonly resolve: (result: Exclude<Result, { fault: string }>) => void;
  readonly reject: (error: Error) => void;
}

/** Carries a group of operations out, here or in another thread. */
interface Hand {
  apply(group: readonly Operation[]): Promise<readonly Result[]>;
  close(): Promise<void>;
}

/**
 * One SQLite file with group commit.
 *
 * A thread of its own writes, because a commit blocks until the disk has it; this thread reads. While one group is
 * being written the next gathers, so a lone write goes at once and under load many share a commit. Each promise
 * resolves after its commit and not before.
 */
export class Database {
  readonly #reader: DatabaseSync;
  readonly #hand: Hand;
  readonly #statements = new Map<string, StatementSync>();
  readonly #file: { readonly path: string; readonly ino: bigint } | undefined;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #closed = false;
  #gone = false;

  private constructor(reader: DatabaseSync, hand: Hand, file?: string) {
    this.#reader = reader;
    this.#hand = hand;
    this.#file = file === undefined ? undefined : { path: file, ino: statSync(file, { bigint: true }).ino };
  }

  /** @param file `undefined`: in memory, for this process only, and written in this thread */
  static async open(file: string | undefined): Promise<Database> {
    if (file === undefined) {
      const db = new DatabaseSync(":memory:");
      return new Database(db, inThisThread(new Writer(db)));
    }
    // Opened here first: a file that cannot be used is told by SQLite's own error, and the schema stands before the reader looks.
    const first = openToWrite(file);
    new Writer(first);
    first.close();
    return new Database(new DatabaseSync(file, { timeout: 5_000 }), await inAnotherThread(file), file);
  }

  /** A prepared statement, kept. For reading. */
  sql(text: string): StatementSync {
    let statement = this.#statements.get(text);
    if (!statement) {
      statement = this.#reader.prepare(text);
      this.#statements.set(text, statement);
    }
    return statement;
  }

  /** @throws where it was not written: the store is full, read-only or closed */
  write(operation: Operation): Promise<Exclude<Result, { fault: string }>> {
    if (this.#closed) return Promise.reject(new Error("the store is closed"));
    if (this.#gone) return Promise.reject(new Error("the store's file was deleted or replaced"));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ operation, resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  async #writeAll(): Promise<void> {
    // What else this turn of the event loop asks for goes with it.
    await new Promise(setImmediate);
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      try {
        const results = await this.#hand.apply(group.map(({ operation }) => operation));
        for (const [i, { resolve, reject }] of group.entries()) {
          const result = results[i] as Result;
          if ("fault" in result) reject(notTaken(result.fault));
          else resolve(result);
        }
      } catch (error) {
        for (const { reject } of group) reject(notTaken((error as Error).message));
      }
    }
    this.#writing = undefined;
  }

  /** Changes when anybody has written. */
  version(): number {
    return this.sql("PRAGMA data_version").get()?.data_version as number;
  }

  /**
   * Whether the file is still where it was opened. One that was deleted, or replaced by a copy, goes on taking writes
   * that nobody will ever find: from then on every write is refused.
   */
  isThere(): boolean {
    if (this.#file === undefined) return true;
    const { path, ino } = this.#file;
    if (statSync(path, { bigint: true, throwIfNoEntry: false })?.ino === ino) return true;
    this.#gone = true;
    return false;
  }

  /** Finishes what was asked for, and closes the file. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#writing;
    await this.#hand.close();
    this.#statements.clear();
    this.#reader.close();
  }
}

function notTaken(reason: string): Error {
  return new Error(`the store did not take the write: ${reason}`);
}

function inThisThread(writer: Writer): Hand {
  return {
    apply: async (group) => writer.apply(group),
    close: async () => {},
  };
}

async function inAnotherThread(file: string): Promise<Hand> {
  const worker = new Worker(
    new URL(import.meta.url.endsWith(".ts") ? "writer-thread.ts" : "writer-thread.js", import.meta.url),
    { workerData: file },
  );
  await once(worker, "message");
  // The thread alone keeps no process alive: its work is over when nobody waits for it.
  worker.unref();
  let answered: { resolve(results: readonly Result[]): void; reject(error: Error): void } | undefined;
  let gone: Error | undefined;
  worker.on("message", (answer: Answer) => {
    const waiting = answered;
    answered = undefined;
    worker.unref();
    if ("results" in answer) waiting?.resolve(answer.results);
    else waiting?.reject(new Error(answer.fault));
  });
  worker.on("error", (error: Error) => {
    gone = error;
    answered?.reject(error);
  });
  return {
    apply: (group) =>
      new Promise((resolve, reject) => {
        if (gone) return reject(gone);
        answered = { resolve, reject };
        worker.ref();
        worker.postMessage(group);
      }),
    async close() {
      const ended = once(worker, "exit");
      worker.ref();
      worker.postMessage("close");
      await ended;
    },
  };
}
