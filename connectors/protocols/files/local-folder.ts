import { open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Folder, FolderError } from "./folder.ts";

/** Returns a folder on a local or mounted file system. */
export function localFolder(path: string): Folder {
  const at = (name: string) => join(path, name);
  return {
    leftoverTempFiles: new Set(),
    look: () => withFolderErrors(async () => void (await readdir(path))),
    size: (name) =>
      withFolderErrors(async () => {
        try {
          return (await stat(at(name))).size;
        } catch (error) {
          if (codeOf(error) === "ENOENT") return undefined;
          throw error;
        }
      }),
    read: (name, most) =>
      withFolderErrors(async () => {
        const { size } = await stat(at(name));
        if (size > most) throw new FolderError(`${name} has ${size} bytes, more than ${most}`, "answered");
        return readFile(at(name));
      }),
    list: () =>
      withFolderErrors(async () => {
        const entries = await readdir(path, { withFileTypes: true });
        const names = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
        return Promise.all(
          names.map(async (name) => {
            const { size, mtime } = await stat(at(name));
            return { name, bytes: size, changedAt: mtime };
          }),
        );
      }),
    write: (name, bytes) =>
      withFolderErrors(async () => {
        await using file = await open(at(name), "wx", 0o660);
        await file.writeFile(bytes);
        await file.sync();
      }),
    rename: (from, to) =>
      withFolderErrors(async () => {
        await rename(at(from), at(to));
        // Without the sync, a power failure could undo the rename.
        await using folder = await open(path);
        await folder.sync();
      }),
    remove: (name) => withFolderErrors(() => rm(at(name), { force: true })),
  };
}

/** Runs `work` and converts file system errors into a `FolderError` whose message contains no path. */
async function withFolderErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof FolderError) throw error;
    const code = codeOf(error);
    const known: Record<string, string> = {
      ENOENT: "the folder is not there; it is never made, because it may be one that is not mounted",
      ENOTDIR: "the folder's path is not a folder",
      EACCES: "the folder may not be written to",
      EPERM: "the folder may not be written to",
      EROFS: "the folder's disk is read-only",
      ENOSPC: "the folder's disk is full",
      EDQUOT: "the folder's quota is used up",
    };
    throw new FolderError(known[code] ?? `the folder cannot be used (${code})`, "answered", error);
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? (error as Error).name;
}
