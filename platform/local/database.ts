import { once } from "node:events";
import { statSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { Worker } from "node:worker_threads";
import { type Operation, openToWrite, type Result, Writer } from "./write-operations.ts";
import type { Answer } from "./writer-thread.ts";

interface Waiting {
  readonly operation: Operation;
  readonly resolve: (result: Exclude<Result, { fault: string }>) => void;
  readonly reject: (error: Error) => void;
}

/** One is being written, and the next lies ready for when it is. More would be many small ones, which cost more. */
const groupsAhead = 2;

/** Carries groups of operations out in their order, here or in another thread. */
interface Hand {
  apply(group: readonly Operation[]): Promise<readonly Result[]>;
  close(): Promise<void>;
}

/**
 * One SQLite file with group commit.
 *
 * A thread of its own writes, because a commit blocks until the disk has it; this thread reads. What one turn of the
 * event loop asks for goes over as a group; while one is written another lies ready, and what comes meanwhile gathers for
 * the one after: a lone write goes at once, under load many share a commit, and neither thread waits for the other. Each
 * promise resolves after its commit and not before.
 */
export class Database {
  readonly #reader: DatabaseSync;
  readonly #hand: Hand;
  readonly #statements = new Map<string, StatementSync>();
  readonly #file: { readonly path: string; readonly ino: bigint } | undefined;
  #waiting: Waiting[] = [];
  readonly #writing = new Set<Promise<void>>();
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

  /**
   * Reads several things as they stood at one moment. It is cheaper, too, than each by itself: after every commit of the
   * writing thread a first read fetches its pages anew.
   */
  atOnce<T>(read: () => T): T {
    this.sql("BEGIN").run();
    try {
      return read();
    } finally {
      this.sql("COMMIT").run();
    }
  }

  /** @throws where it was not written: the store is full, read-only or closed */
  write(operation: Operation): Promise<Exclude<Result, { fault: string }>> {
    if (this.#closed) return Promise.reject(new Error("the store is closed"));
    if (this.#gone) return Promise.reject(new Error("the store's file was deleted or replaced"));
    return new Promise((resolve, reject) => {
      // What else this turn of the event loop asks for goes with it.
      if (this.#waiting.push({ operation, resolve, reject }) === 1) setImmediate(() => this.#handOver());
    });
  }

  #handOver(): void {
    if (this.#waiting.length === 0 || this.#writing.size >= groupsAhead) return;
    const group = this.#waiting;
    this.#waiting = [];
    const writing: Promise<void> = this.#writeGroup(group, () => {
      this.#writing.delete(writing);
      this.#handOver();
    });
    this.#writing.add(writing);
  }

  /** @param over called before anybody hears of it: the next group goes over while this thread works on */
  async #writeGroup(group: readonly Waiting[], over: () => void): Promise<void> {
    try {
      const results = await this.#hand.apply(group.map(({ operation }) => operation)).finally(over);
      for (const [i, { resolve, reject }] of group.entries()) {
        const result = results[i] as Result;
        if ("fault" in result) reject(notTaken(result.fault));
        else resolve(result);
      }
    } catch (error) {
      for (const { reject } of group) reject(notTaken((error as Error).message));
    }
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
    this.#handOver();
    while (this.#writing.size > 0) await Promise.all(this.#writing);
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
  /** Groups that are over there, in their order. */
  const waiting: { resolve(results: readonly Result[]): void; reject(error: Error): void }[] = [];
  let gone: Error | undefined;
  worker.on("message", (answers: readonly Answer[]) => {
    for (const answer of answers) {
      const group = waiting.shift();
      if ("results" in answer) group?.resolve(answer.results);
      else group?.reject(new Error(answer.fault));
    }
    if (waiting.length === 0) worker.unref();
  });
  worker.on("error", (error: Error) => {
    gone = error;
    for (const { reject } of waiting.splice(0)) reject(error);
  });
  return {
    apply: (group) =>
      new Promise((resolve, reject) => {
        if (gone) return reject(gone);
        waiting.push({ resolve, reject });
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
