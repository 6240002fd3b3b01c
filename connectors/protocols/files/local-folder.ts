import { open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Folder, FolderError } from "./folder.ts";

/** Returns a folder on a local or mounted file system. */
export function localFolder(path: string): Folder {
  const pathOf = (name: string) => join(path, name);
  return {
    leftoverTempFiles: new Set(),
    check: () => withFolderErrors(async () => void (await readdir(path))),
    size: (name) =>
      withFolderErrors(async () => {
        try {
          return (await stat(pathOf(name))).size;
        } catch (error) {
          if (codeOf(error) === "ENOENT") return undefined;
          throw error;
        }
      }),
    read: (name, maxBytes) =>
      withFolderErrors(async () => {
        const { size } = await stat(pathOf(name));
        if (size > maxBytes) throw new FolderError(`${name} is larger than ${maxBytes} bytes`, "answered");
        return readFile(pathOf(name));
      }),
    list: () =>
      withFolderErrors(async () => {
        const entries = await readdir(path, { withFileTypes: true });
        const names = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
        return Promise.all(
          names.map(async (name) => {
            const { size, mtime } = await stat(pathOf(name));
            return { name, bytes: size, changedAt: mtime };
          }),
        );
      }),
    write: (name, bytes) =>
      withFolderErrors(async () => {
        await using file = await open(pathOf(name), "wx", 0o660);
        await file.writeFile(bytes);
        await file.sync();
      }),
    rename: (from, to) =>
      withFolderErrors(async () => {
        await rename(pathOf(from), pathOf(to));
        // Without the sync, a power failure could undo the rename.
        await using folder = await open(path);
        await folder.sync();
      }),
    remove: (name) => withFolderErrors(() => rm(pathOf(name), { force: true })),
  };
}

const errorMessages: Readonly<Record<string, string>> = {
  ENOENT: "the folder does not exist; it is never created, because its file system may not be mounted",
  ENOTDIR: "the folder's path is not a folder",
  EACCES: "access to the folder is denied",
  EPERM: "access to the folder is denied",
  EROFS: "the folder is on a read-only file system",
  ENOSPC: "the folder's disk is full",
  EDQUOT: "the folder's disk quota is exceeded",
};

/** Runs `work` and converts file system errors into a `FolderError` whose message contains no path. */
async function withFolderErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof FolderError) throw error;
    const code = codeOf(error);
    throw new FolderError(errorMessages[code] ?? `the folder cannot be accessed (${code})`, "answered", error);
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? (error as Error).name;
}
