import type { FileVersion } from "../model/roster.ts";
import { BridgeError } from "../values/bridge-error.ts";

/** Thrown if a file cannot be read and a retry would not help. */
export class FileError extends BridgeError {
  override readonly name = "FileError";
  /** The message without the address, for lists and the ledger, because a file may be named after a person. */
  readonly what: string;

  /** @param problem predicate that completes "the file …": `is not there` */
  constructor(problem: string, address?: string) {
    super("file-unreadable", `${address ?? "the file"} ${problem}`);
    this.what = `the file ${problem}`;
  }
}

/** Read access to files at `file:` or `s3:` addresses, limited to the configured folders and buckets. */
export interface FilesPort {
  /** @throws {FileError} if the file is missing or the bridge is not allowed to read it */
  find(address: string): Promise<FileVersion>;
  /**
   * Reads bytes of exactly this version, `from` inclusive, `to` exclusive, in blocks of any size.
   *
   * @throws {FileError} if this version no longer exists, even if that is noticed only after the last block
   */
  read(file: FileVersion, part: { readonly from: number; readonly to: number }): AsyncIterable<Uint8Array>;
}
