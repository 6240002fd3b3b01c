import { DatabaseSync, type StatementSync } from "node:sqlite";

interface Waiting {
  readonly work: () => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

/** Writes in one group that mean load. */
const busyWrites = 8;
/** Writes that do not wait for more. */
const fullGroup = 256;
const gatherMs = 2;

/**
 * One SQLite file with group commit.
 *
 * Writes asked for in one turn of the event loop share one transaction and one flush to disk; each promise resolves
 * after that commit and not before. `synchronous=FULL`: what was promised survives a power cut, not just a killed
 * process.
 */
export class Database {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #waiting: Waiting[] = [];
  #lastCommit = { at: 0, writes: 0 };
  #closed = false;

  /** @param file a path, or `:memory:` */
  constructor(file: string, schema: string) {
    this.#db = new DatabaseSync(file, { timeout: 5_000 });
    this.#db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 8000; PRAGMA temp_store = MEMORY;`);
    this.#db.exec(schema);
  }

  /** A prepared statement, kept. Reads go straight through; writes belong inside `write`. */
  sql(text: string): StatementSync {
    let statement = this.#statements.get(text);
    if (!statement) {
      statement = this.#db.prepare(text);
      this.#statements.set(text, statement);
    }
    return statement;
  }

  /**
   * Runs `work` in the next transaction, by itself all or nothing.
   *
   * @param work synchronous; what it throws undoes its own changes only
   */
  write<T>(work: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(new Error("the store is closed"));
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ work, resolve: resolve as (value: never) => void, reject });
      if (this.#waiting.length === 1) setImmediate(this.#commitWhenDue);
    });
  }

  /** A lone write is committed at once; under load the next group gathers for a moment, because a commit has its price. */
  readonly #commitWhenDue = (): void => {
    const busy = this.#lastCommit.writes >= busyWrites && this.#waiting.length < fullGroup;
    if (busy && performance.now() - this.#lastCommit.at < gatherMs) setImmediate(this.#commitWhenDue);
    else this.#commit();
  };

  #commit(): void {
    const group = this.#waiting;
    this.#waiting = [];
    if (group.length === 0) return;
    const done: (() => void)[] = [];
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      for (const { work, resolve, reject } of group) {
        this.#db.exec("SAVEPOINT one");
        try {
          const value = work() as never;
          done.push(() => resolve(value));
        } catch (error) {
          this.#db.exec("ROLLBACK TO one");
          done.push(() => reject(error));
        }
        this.#db.exec("RELEASE one");
      }
      this.#db.exec("COMMIT");
    } catch (error) {
      // Disk full, read-only, or another process kept the lock: nothing of the group was promised yet.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      const reason = new Error(`the store did not take the write: ${(error as Error).message}`, { cause: error });
      for (const { reject } of group) reject(reason);
      return;
    }
    this.#lastCommit = { at: performance.now(), writes: group.length };
    for (const settle of done) settle();
  }

  /** Changes when another process has written. */
  version(): number {
    return this.sql("PRAGMA data_version").get()?.data_version as number;
  }

  /** Finishes what was asked for, and closes the file. */
  close(): void {
    if (this.#closed) return;
    this.#commit();
    this.#closed = true;
    this.#statements.clear();
    this.#db.close();
  }
}
