import { open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Folder, FolderError } from "./folder.ts";

/** A folder of this machine, or one that is mounted here. */
export function localFolder(path: string): Folder {
  const at = (name: string) => join(path, name);
  return {
    leftoverTempFiles: new Set(),
    look: () => told(async () => void (await readdir(path))),
    size: (name) =>
      told(async () => {
        try {
          return (await stat(at(name))).size;
        } catch (error) {
          if (codeOf(error) === "ENOENT") return undefined;
          throw error;
        }
      }),
    read: (name, most) =>
      told(async () => {
        const { size } = await stat(at(name));
        if (size > most) throw new FolderError(`${name} has ${size} bytes, more than ${most}`, "answered");
        return readFile(at(name));
      }),
    list: () =>
      told(async () => {
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
      told(async () => {
        await using file = await open(at(name), "wx", 0o660);
        await file.writeFile(bytes);
        await file.sync();
      }),
    rename: (from, to) =>
      told(async () => {
        await rename(at(from), at(to));
        // Without this a power cut could take the name away again.
        await using folder = await open(path);
        await folder.sync();
      }),
    remove: (name) => told(() => rm(at(name), { force: true })),
  };
}

/** What the file system says, in words that hold no path of a packet. */
async function told<T>(work: () => Promise<T>): Promise<T> {
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
