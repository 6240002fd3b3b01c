import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, link, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

export interface FileOptions {
  /** Permissions of the file. Default: only its owner can read and write it. */
  readonly mode?: number;
}

type Data = string | Uint8Array;

/**
 * Writes or replaces a file. Readers, and the disk after a crash or a power failure, have either the old or the new
 * content in full.
 *
 * A crash may leave behind the temporary file beside it, `<file>.<8 hex digits>.new`, which nothing reads.
 */
export async function replaceFile(file: string, data: Data, options: FileOptions = {}): Promise<void> {
  const temporary = await writeAside(file, data, options);
  try {
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(file));
}

/**
 * Creates a file, which is on disk in full when the promise resolves.
 *
 * @returns false if the file already exists; it is left unchanged, and is on disk too
 */
export async function createFile(file: string, data: Data, options: FileOptions = {}): Promise<boolean> {
  const temporary = await writeAside(file, data, options);
  try {
    return await linkOrCopy(temporary, file);
  } finally {
    await rm(temporary, { force: true });
    // Also if another process was first, because it may not have got this far.
    await syncFolder(dirname(file));
  }
}

/** Flushes a file and its entry in its folder, which another process may have written without doing so. */
export async function syncFile(file: string): Promise<void> {
  await using handle = await open(file, "r");
  // Windows flushes only files that are open for writing, and flushes folders by itself.
  if (process.platform !== "win32") await handle.sync();
  await syncFolder(dirname(file));
}

async function writeAside(file: string, data: Data, { mode = 0o600 }: FileOptions): Promise<string> {
  const temporary = `${file}.${randomUUID().slice(0, 8)}.new`;
  try {
    await using handle = await open(temporary, "wx", mode);
    await handle.writeFile(data);
    await handle.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return temporary;
}

/** Codes of file systems without hard links, such as FAT. */
const noLinks: ReadonlySet<string | undefined> = new Set(["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"]);

/** @returns false if `to` already exists */
async function linkOrCopy(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to).catch(async (error: NodeJS.ErrnoException) => {
      if (!noLinks.has(error.code)) throw error;
      await copyFile(from, to, constants.COPYFILE_EXCL);
      await syncFile(to);
    });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Flushes a folder, because otherwise a new name in it may not survive a power failure. Windows does not support it. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  await using handle = await open(folder, "r");
  await handle.sync();
}
