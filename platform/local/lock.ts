import { DatabaseSync } from "node:sqlite";

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
