import { once } from "node:events";
import { statSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { Worker } from "node:worker_threads";
import { BridgeError } from "../../bridge/values/bridge-error.ts";
import { type Migration, migrateStore } from "./migrations.ts";
import { type Operation, openToWrite, type Result, Writer } from "./write-operations.ts";
import type { Answer } from "./writer-thread.ts";

interface PendingOperation {
  readonly operation: Operation;
  readonly resolve: (result: Exclude<Result, { error: string }>) => void;
  readonly reject: (error: Error) => void;
}

/** Groups at the writer: one being written and one ready to follow. A higher number would make groups smaller and slower. */
const maxGroups = 2;

interface OpenedFile {
  readonly path: string;
  readonly migration: Migration | undefined;
}

/** Applies groups of operations in order, in this thread or in another. */
interface GroupWriter {
  apply(group: readonly Operation[]): Promise<readonly Result[]>;
  close(): Promise<void>;
}

/**
 * One SQLite file with group commit.
 *
 * This thread reads. A separate thread writes, because a commit blocks until it is on disk. Writes requested in one turn
 * of the event loop form a group. While one group is being written and another is ready, further writes collect in the
 * next group. A single write therefore starts at once, many writes share a commit under load, and neither thread waits
 * for the other. Each promise resolves only after its commit.
 */
export class Database {
  /** Upgrade of the store that was made when it was opened. */
  readonly migration: Migration | undefined;
  readonly #reader: DatabaseSync;
  readonly #writer: GroupWriter;
  readonly #statements = new Map<string, StatementSync>();
  readonly #file: { readonly path: string; readonly ino: bigint } | undefined;
  #pending: PendingOperation[] = [];
  readonly #writing = new Set<Promise<void>>();
  #closed = false;
  #gone = false;

  private constructor(reader: DatabaseSync, writer: GroupWriter, file?: OpenedFile) {
    this.#reader = reader;
    this.#writer = writer;
    this.migration = file?.migration;
    this.#file = file && { path: file.path, ino: statSync(file.path, { bigint: true }).ino };
  }

  /** @param file if `undefined`, the database is in memory, private to this process, and written in this thread */
  static async open(file: string | undefined, now = Date.now()): Promise<Database> {
    if (file === undefined) {
      const db = new DatabaseSync(":memory:");
      return new Database(db, inThisThread(new Writer(db)));
    }
    const migration = await migrateStore(file, { now });
    // Opens the file here first, so that an unusable file fails with SQLite's own error and the reader finds the schema.
    const first = openToWrite(file);
    new Writer(first);
    first.close();
    const reader = new DatabaseSync(file, { timeout: 5_000 });
    return new Database(reader, await inAnotherThread(file), { path: file, migration });
  }

  /** Prepares a statement for reading and caches it. */
  sql(text: string): StatementSync {
    let statement = this.#statements.get(text);
    if (!statement) {
      statement = this.#reader.prepare(text);
      this.#statements.set(text, statement);
    }
    return statement;
  }

  /**
   * Runs several reads on one snapshot. It is also cheaper than separate reads, because the first read after each commit
   * of the writer thread reloads its pages.
   */
  snapshot<T>(read: () => T): T {
    this.sql("BEGIN").run();
    try {
      return read();
    } finally {
      this.sql("COMMIT").run();
    }
  }

  /** Returns true if anything has ever been recorded or sent. */
  hasRecords(): boolean {
    const tables = ["messages", "events", "packets", "documents", "ledger"];
    return this.sql(tables.map((table) => `SELECT 1 FROM ${table}`).join(" UNION ALL ")).get() !== undefined;
  }

  /** @throws {Error} if the operation was not written because the store is full, read-only or closed */
  write(operation: Operation): Promise<Exclude<Result, { error: string }>> {
    if (this.#closed) return Promise.reject(new BridgeError("store-unavailable", "the store is closed"));
    if (this.#gone)
      return Promise.reject(new BridgeError("store-unavailable", "the store's file was deleted or replaced"));
    return new Promise((resolve, reject) => {
      // Writes requested later in this turn of the event loop join the same group.
      if (this.#pending.push({ operation, resolve, reject }) === 1) setImmediate(() => this.#submitGroup());
    });
  }

  #submitGroup(): void {
    if (this.#pending.length === 0 || this.#writing.size >= maxGroups) return;
    const group = this.#pending;
    this.#pending = [];
    const writing: Promise<void> = this.#writeGroup(group, () => {
      this.#writing.delete(writing);
      this.#submitGroup();
    });
    this.#writing.add(writing);
  }

  /** @param onDone called before the promises settle, so that the next group is submitted while their callers run */
  async #writeGroup(group: readonly PendingOperation[], onDone: () => void): Promise<void> {
    try {
      const results = await this.#writer.apply(group.map(({ operation }) => operation)).finally(onDone);
      for (const [i, { resolve, reject }] of group.entries()) {
        const result = results[i] as Result;
        if ("error" in result) reject(writeError(result.error));
        else resolve(result);
      }
    } catch (error) {
      for (const { reject } of group) reject(writeError((error as Error).message));
    }
  }

  /** Returns SQLite's data version, which changes after any other connection has written. */
  version(): number {
    return this.sql("PRAGMA data_version").get()?.data_version as number;
  }

  /**
   * Returns true if the file is still the one that was opened. A deleted or replaced file would accept writes that are
   * then lost, so every write is rejected from then on.
   */
  isThere(): boolean {
    if (this.#file === undefined) return true;
    const { path, ino } = this.#file;
    if (statSync(path, { bigint: true, throwIfNoEntry: false })?.ino === ino) return true;
    this.#gone = true;
    return false;
  }

  /** Finishes pending writes and closes the file. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#submitGroup();
    while (this.#writing.size > 0) await Promise.all(this.#writing);
    await this.#writer.close();
    this.#statements.clear();
    this.#reader.close();
  }
}

function writeError(reason: string): Error {
  return new BridgeError("store-unavailable", `the store did not accept the write: ${reason}`);
}

function inThisThread(writer: Writer): GroupWriter {
  return {
    apply: async (group) => writer.apply(group),
    close: async () => {},
  };
}

async function inAnotherThread(file: string): Promise<GroupWriter> {
  const worker = new Worker(
    new URL(import.meta.url.endsWith(".ts") ? "writer-thread.ts" : "writer-thread.js", import.meta.url),
    { workerData: file },
  );
  await once(worker, "message");
  // The thread keeps the process alive only while a group is pending.
  worker.unref();
  /** Groups submitted to the thread, in order. */
  const pending: { resolve(results: readonly Result[]): void; reject(error: Error): void }[] = [];
  let workerError: Error | undefined;
  worker.on("message", (answers: readonly Answer[]) => {
    for (const answer of answers) {
      const group = pending.shift();
      if ("results" in answer) group?.resolve(answer.results);
      else group?.reject(new Error(answer.error));
    }
    if (pending.length === 0) worker.unref();
  });
  worker.on("error", (error: Error) => {
    workerError = error;
    for (const { reject } of pending.splice(0)) reject(error);
  });
  return {
    apply: (group) =>
      new Promise((resolve, reject) => {
        if (workerError) return reject(workerError);
        pending.push({ resolve, reject });
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
