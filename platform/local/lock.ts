import { DatabaseSync } from "node:sqlite";
import { setTimeout } from "node:timers/promises";
import { BridgeError } from "../../bridge/values/bridge-error.ts";

/**
 * Takes an exclusive lock, which is released when the process ends for any reason. It is a SQLite lock on a file that has
 * no other use.
 *
 * @returns `undefined` if another process holds the lock
 */
export function takeLock(file: string): { release(): void } | undefined {
  const db = new DatabaseSync(file);
  try {
    db.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;");
    return { release: () => db.close() };
  } catch (error) {
    db.close();
    if ((error as { errcode?: number }).errcode === 5) return undefined;
    throw error;
  }
}

/** Time between two attempts to take a lock, in ms. */
const pollMs = 20;

/**
 * Takes a lock that other processes hold only for moments.
 *
 * @param maxWaitMs ms
 * @throws {BridgeError} if another process still holds it after this time
 */
export async function waitForLock(file: string, maxWaitMs = 10_000): Promise<{ release(): void }> {
  const until = performance.now() + maxWaitMs;
  for (;;) {
    const lock = takeLock(file);
    if (lock) return lock;
    if (performance.now() > until) {
      throw new BridgeError("store-unavailable", `another process holds ${file}; end that process, and try again`);
    }
    await setTimeout(pollMs);
  }
}
