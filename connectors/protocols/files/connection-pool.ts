import { hash } from "node:crypto";
import { type Folder, FolderError } from "./folder.ts";

/** A remote folder together with the connection that reaches it. */
export interface Connection extends Folder {
  readonly isOpen: boolean;
  /** Sets whether the open connection keeps the process alive. */
  keepProcessAlive(keepAlive: boolean): void;
  close(): void;
}

/** Inputs for opening a connection. */
export interface OpenOptions {
  /** Sets the current step, such as `logging in`, for the message of a timeout. */
  readonly onStep: (step: string) => void;
  /** Aborts when the time limit is reached. The source must then close the connection it is opening. */
  readonly signal: AbortSignal;
  /** Names of temporary files that earlier uploads left in the folder. All connections of one source share this set. */
  readonly leftoverTempFiles: Set<string>;
}

/** Opens connections to one folder on one server with one login. */
export interface ConnectionSource {
  /** Address and login. Sources with equal identities share pooled connections. */
  readonly identity: unknown;
  open(options: OpenOptions): Promise<Connection>;
}

/** Shorter than the 5 s limit of an attempt, so a timeout can still name the step at which the server went silent. */
const workMs = 4_000;
/** Time limit for checking that a pooled connection still works. */
const checkMs = 1_000;
const idleMs = 10_000;

/** State kept per source between calls. */
interface PoolEntry {
  /** Open connections that are not in use. */
  readonly idle: Set<Connection>;
  readonly leftoverTempFiles: Set<string>;
}

const poolEntries = new Map<string, PoolEntry>();

/**
 * Runs `work` against a remote folder with a 4 s limit.
 *
 * Connections are pooled per server and login for 10 s and do not keep the process alive. A connection is closed if
 * `work` fails.
 *
 * @throws {FolderError} if connecting fails, or if the limit is reached; the message of a timeout names the current step
 */
export async function withConnection<T>(
  source: ConnectionSource,
  signal: AbortSignal,
  work: (folder: Folder) => Promise<T>,
): Promise<T> {
  const { idle, leftoverTempFiles } = poolEntryFor(source);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(workMs)]);
  let step = "connecting";
  const onStep = (next: string) => {
    step = next;
  };
  const { promise: timedOut, reject: rejectTimedOut } = Promise.withResolvers<never>();
  const onLimit = () => rejectTimedOut(new FolderError(`timed out while ${step}`, "no-answer"));
  let connection: Connection | undefined;
  const run = async (): Promise<T> => {
    connection = (await takeIdle(idle)) ?? (await source.open({ onStep, signal: limit, leftoverTempFiles }));
    onStep("accessing the folder");
    return work(connection);
  };
  limit.addEventListener("abort", onLimit, { once: true });
  try {
    if (limit.aborted) onLimit();
    const result = await Promise.race([timedOut, run()]);
    returnToPool(idle, connection as Connection | undefined);
    return result;
  } catch (error) {
    (connection as Connection | undefined)?.close();
    throw error;
  } finally {
    limit.removeEventListener("abort", onLimit);
  }
}

function poolEntryFor({ identity }: ConnectionSource): PoolEntry {
  // The identity contains the login, so only its hash is kept.
  const key = hash("sha256", JSON.stringify(identity));
  const entry = poolEntries.get(key) ?? { idle: new Set(), leftoverTempFiles: new Set() };
  poolEntries.set(key, entry);
  return entry;
}

/** Takes a working connection from the pool and closes those that no longer work. Returns undefined if none is left. */
async function takeIdle(idle: Set<Connection>): Promise<Connection | undefined> {
  for (const connection of idle) {
    idle.delete(connection);
    connection.keepProcessAlive(true);
    const timer = setTimeout(() => connection.close(), checkMs);
    try {
      if (!connection.isOpen) continue;
      await connection.check();
      return connection;
    } catch {
      // The server may have closed it while it was idle.
      connection.close();
    } finally {
      clearTimeout(timer);
    }
  }
  return undefined;
}

function returnToPool(idle: Set<Connection>, connection: Connection | undefined): void {
  if (!connection?.isOpen) return;
  idle.add(connection);
  connection.keepProcessAlive(false);
  setTimeout(() => {
    if (idle.delete(connection)) connection.close();
  }, idleMs).unref();
}
