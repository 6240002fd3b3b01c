import { hash } from "node:crypto";
import { type Folder, FolderError } from "./folder.ts";

/** A folder over a connection. */
export interface Connection extends Folder {
  readonly isOpen: boolean;
  /** Whether the process must stay alive for it. */
  hold(awake: boolean): void;
  close(): void;
}

/** What a connection is opened with. */
export interface OpenOptions {
  /** Says what is being done from now on: `logging in`. */
  readonly doing: (what: string) => void;
  /** Aborts when the visit's time is over: what was begun is to be closed. */
  readonly signal: AbortSignal;
  readonly leftoverTempFiles: Set<string>;
}

/** The way to a folder on a server. */
export interface ConnectionSource {
  /** What makes two doors the same: the address, and who enters. */
  readonly identity: unknown;
  open(entry: OpenOptions): Promise<Connection>;
}

/** Less than a try's 5 s, so that a server that falls silent is told by where it did. */
const visitMs = 4_000;
/** How long a connection that was used before may take to show that it still lives. */
const wakeMs = 1_000;
const idleMs = 10_000;

/** What is kept of a door between visits. */
interface PoolEntry {
  /** Connections nobody uses just now. */
  readonly idle: Set<Connection>;
  readonly litter: Set<string>;
}

const poolEntries = new Map<string, PoolEntry>();

/**
 * Enters a folder on a server and does something there, in 4 s at most.
 *
 * A connection is kept for 10 s, for whoever comes next through the same door, and never keeps the process alive. One
 * that has seen a fault is closed.
 *
 * @throws {FolderError} also where the time is over, naming what was being done
 */
export async function withConnection<T>(
  door: ConnectionSource,
  signal: AbortSignal,
  work: (folder: Folder) => Promise<T>,
): Promise<T> {
  const { idle, litter } = poolEntryFor(door);
  const over = AbortSignal.any([signal, AbortSignal.timeout(visitMs)]);
  let what = "connecting";
  const doing = (next: string) => {
    what = next;
  };
  const { promise: late, reject: tellLate } = Promise.withResolvers<never>();
  const end = () => tellLate(new FolderError(`the server did not answer while ${what}`, "no-answer"));
  let connection: Connection | undefined;
  const enter = async (): Promise<T> => {
    connection = (await wake(idle)) ?? (await door.open({ doing, signal: over, leftoverTempFiles: litter }));
    doing("working in the folder");
    return work(connection);
  };
  over.addEventListener("abort", end, { once: true });
  try {
    if (over.aborted) end();
    const result = await Promise.race([late, enter()]);
    keep(idle, connection as Connection | undefined);
    return result;
  } catch (fault) {
    (connection as Connection | undefined)?.close();
    throw fault;
  } finally {
    over.removeEventListener("abort", end);
  }
}

function poolEntryFor({ identity }: ConnectionSource): PoolEntry {
  // Who enters is part of it, so it is kept as a hash only.
  const key = hash("sha256", JSON.stringify(identity));
  const hall = poolEntries.get(key) ?? { idle: new Set(), litter: new Set() };
  poolEntries.set(key, hall);
  return hall;
}

/** An idle connection that still lives, held. */
async function wake(idle: Set<Connection>): Promise<Connection | undefined> {
  for (const connection of idle) {
    idle.delete(connection);
    connection.hold(true);
    const silent = setTimeout(() => connection.close(), wakeMs);
    try {
      if (!connection.isOpen) continue;
      await connection.look();
      return connection;
    } catch {
      // The server may well have closed it meanwhile. Another is opened.
      connection.close();
    } finally {
      clearTimeout(silent);
    }
  }
  return undefined;
}

function keep(idle: Set<Connection>, connection: Connection | undefined): void {
  if (!connection?.isOpen) return;
  idle.add(connection);
  connection.hold(false);
  setTimeout(() => {
    if (idle.delete(connection)) connection.close();
  }, idleMs).unref();
}
