import type { FileVersion } from "../model/roster.ts";

/** Why a file cannot be read: known at once, and trying again would not help. */
export class FileError extends Error {
  override readonly name = "FileError";
  /** For a list or a ledger: the address, which stands in the message, may be called after a person. */
  readonly what: string;

  /** @param fault what is wrong with the file, and what to do: `is not there` */
  constructor(fault: string, address?: string) {
    super(`${address ?? "the file"} ${fault}`);
    this.what = `the file ${fault}`;
  }
}

/** Files at `file:` or `s3:` addresses below the places the bridge may read from, and nowhere else. */
export interface FilesPort {
  /** @throws {FileError} where it may not be read, or is not there */
  find(address: string): Promise<FileVersion>;
  /**
   * Bytes of just this version, from inclusive, to exclusive, in blocks of any size.
   *
   * @throws {FileError} where this version is not there any more, even behind its last block
   */
  read(file: FileVersion, part: { readonly from: number; readonly to: number }): AsyncIterable<Uint8Array>;
}
