import type { BigIntStats } from "node:fs";
import { constants, type FileHandle, open, realpath } from "node:fs/promises";
import { resolve, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { FileVersion } from "../../bridge/model/roster.ts";
import { readAddress } from "../../bridge/ports/file-address.ts";
import { FileError, type FilesPort } from "../../bridge/ports/files.ts";

const blockBytes = 262_144;

/**
 * Reads local files at `file:` addresses inside the folders that `bridge.yaml` allows.
 *
 * A version consists of the file's inode, size and change times, so writing to a file or replacing it creates a new
 * version. The exception is a change that keeps the size, within the file system's time resolution (a few ms).
 */
export class LocalFiles implements FilesPort {
  readonly #folders: readonly string[];

  /** @param folders folders that may be read; relative ones are resolved against the working directory */
  constructor(folders: readonly string[]) {
    this.#folders = folders.map((folder) => resolve(folder));
  }

  async find(address: string): Promise<FileVersion> {
    await using file = await this.#open(address);
    const stat = await file.stat({ bigint: true });
    return { address, version: versionOf(stat), bytes: Number(stat.size) };
  }

  async *read(
    { address, version }: FileVersion,
    { from, to }: { readonly from: number; readonly to: number },
  ): AsyncGenerator<Uint8Array> {
    await using file = await this.#open(address);
    await assertUnchanged(file, address, version);
    for (let position = from; position < to; ) {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(Math.min(blockBytes, to - position)), {
        position,
      });
      if (bytesRead === 0) break;
      yield buffer.subarray(0, bytesRead);
      position += bytesRead;
    }
    // A file written during the read may have returned a mix of two versions.
    await assertUnchanged(file, address, version);
  }

  async #open(address: string): Promise<FileHandle> {
    const path = await this.#allowed(address);
    let file: FileHandle;
    try {
      // All links in the path are resolved, so a link created since then is not followed. O_NONBLOCK avoids blocking on a pipe.
      file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      throw fileErrorOf(address, error);
    }
    if ((await file.stat()).isFile()) return file;
    await file.close();
    throw new FileError("is not a regular file; name one", address);
  }

  /**
   * Resolves an address to a real path, without links.
   *
   * @throws {FileError} if the path is outside the allowed folders
   */
  async #allowed(address: string): Promise<string> {
    const url = readAddress(address, "file:");
    let requested: string;
    try {
      requested = fileURLToPath(url);
    } catch {
      throw new FileError(`is not at ${pathToFileURL("/").href} and a path, without host or %2F; give such an address`);
    }
    const forbidden = new FileError(
      'is outside the folders the bridge may read; move it into one of them, or add its folder to "places:" in bridge.yaml',
      address,
    );
    // Checked before any file system access, so that the error does not reveal whether a file outside exists.
    if (!this.#folders.some((folder) => isInside(folder, requested))) throw forbidden;
    let real: string;
    try {
      real = await realpath(requested);
    } catch (error) {
      throw fileErrorOf(address, error);
    }
    const folders = await Promise.all(this.#folders.map((folder) => realpath(folder).catch(() => undefined)));
    if (folders.some((folder) => folder !== undefined && isInside(folder, real))) return real;
    throw forbidden;
  }
}

function isInside(folder: string, path: string): boolean {
  return path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

function versionOf({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [ino, size, mtimeNs, ctimeNs].map((part) => part.toString(36)).join("-");
}

async function assertUnchanged(file: FileHandle, address: string, version: string): Promise<void> {
  if (versionOf(await file.stat({ bigint: true })) === version) return;
  throw new FileError("has changed since it was looked up", address);
}

/** Returns a `FileError` for a permanent file system error. Returns other errors unchanged; the caller retries them. */
function fileErrorOf(address: string, error: unknown): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOENT":
    case "ENOTDIR":
      return new FileError("is not there", address);
    case "EACCES":
    case "EPERM":
    case "ELOOP":
      return new FileError("cannot be read by this process; give it read permission", address);
    default:
      return error;
  }
}
