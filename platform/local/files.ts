import type { BigIntStats } from "node:fs";
import { constants, type FileHandle, open, realpath } from "node:fs/promises";
import { resolve, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { FileVersion } from "../../bridge/model/roster.ts";
import { readAddress } from "../../bridge/ports/file-address.ts";
import { FileError, type FilesPort } from "../../bridge/ports/files.ts";

const blockBytes = 262_144;

/**
 * Files of this machine at `file:` addresses, below the places `bridge.yaml` names.
 *
 * A version is the file's identity, size, and times of change: whoever writes to it or puts another in its place makes
 * another version, unless within the file system's own grain of time (a few ms) and to the same size.
 */
export class LocalFiles implements FilesPort {
  readonly #places: readonly string[];

  /** @param places folders; a relative one counts from the working folder */
  constructor(places: readonly string[]) {
    this.#places = places.map((place) => resolve(place));
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
    await stillThis(file, address, version);
    for (let at = from; at < to; ) {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(Math.min(blockBytes, to - at)), {
        position: at,
      });
      if (bytesRead === 0) break;
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
    // What was read while another wrote is of no version.
    await stillThis(file, address, version);
  }

  async #open(address: string): Promise<FileHandle> {
    const path = await this.#allowed(address);
    let file: FileHandle;
    try {
      // The path has no link left in it: one that is put there now is not followed. A pipe must not make us wait.
      file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      throw faultOf(address, error);
    }
    if ((await file.stat()).isFile()) return file;
    await file.close();
    throw new FileError("is no file; name one", address);
  }

  /** The real path behind an address, all links resolved. @throws {FileError} where it lies in no place */
  async #allowed(address: string): Promise<string> {
    const url = readAddress(address, "file:");
    let given: string;
    try {
      given = fileURLToPath(url);
    } catch {
      throw new FileError(`is not at ${pathToFileURL("/").href} and a path, without host or %2F; give such an address`);
    }
    const forbidden = new FileError(
      'is in none of the places the bridge may read from; put it into one, or name its folder in bridge.yaml under "places:"',
      address,
    );
    // Before the file system is asked: what lies elsewhere must not even be known to be there.
    if (!this.#places.some((place) => isBelow(place, given))) throw forbidden;
    let real: string;
    try {
      real = await realpath(given);
    } catch (error) {
      throw faultOf(address, error);
    }
    const places = await Promise.all(this.#places.map((place) => realpath(place).catch(() => undefined)));
    if (places.some((place) => place !== undefined && isBelow(place, real))) return real;
    throw forbidden;
  }
}

function isBelow(place: string, path: string): boolean {
  return path.startsWith(place.endsWith(sep) ? place : place + sep);
}

function versionOf({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [ino, size, mtimeNs, ctimeNs].map((part) => part.toString(36)).join("-");
}

async function stillThis(file: FileHandle, address: string, version: string): Promise<void> {
  if (versionOf(await file.stat({ bigint: true })) === version) return;
  throw new FileError("has changed since it was looked up", address);
}

/** What the file system says that trying again would not change. Anything else is thrown as it is, and tried again. */
function faultOf(address: string, error: unknown): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOENT":
    case "ENOTDIR":
      return new FileError("is not there", address);
    case "EACCES":
    case "EPERM":
    case "ELOOP":
      return new FileError("cannot be read by this process; let it", address);
    default:
      return error;
  }
}
