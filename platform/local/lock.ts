import { DatabaseSync } from "node:sqlite";

/**
 * A lock that ends with the process, however it ends: SQLite's own, on a file of its own.
 *
 * @returns nothing where another holds it
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
