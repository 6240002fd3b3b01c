import { randomBytes } from "node:crypto";
import { type Outcome, type RetryCode, retry } from "../../../bridge/model/outcome.ts";
import { BridgeError } from "../../../bridge/values/bridge-error.ts";

/** A file in a folder. */
export interface FolderFile {
  readonly name: string;
  readonly bytes: number;
  /** Absent if the server does not report it. */
  readonly changedAt?: Date;
}

/**
 * A local or remote folder that files are uploaded to or polled from.
 *
 * File names are relative to the folder: `done/a.csv` is a file in a subfolder. Every method throws a `FolderError` if
 * it fails.
 */
export interface Folder {
  /** Checks that the folder exists and can be accessed. */
  check(): Promise<void>;
  /** Returns a file's size in bytes, or undefined if there is no such file. */
  size(name: string): Promise<number | undefined>;
  /** @throws {FolderError} if the file is larger than `maxBytes` */
  read(name: string, maxBytes: number): Promise<Buffer>;
  /** Lists the files, without subfolders. */
  list(): Promise<FolderFile[]>;
  /** Creates a file. Resolves once all of it is stored; a remote folder compares the size that the server reports. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file. Does nothing if there is no such file. */
  remove(name: string): Promise<void>;
  /** Names of temporary files that could not be removed because the connection was lost. */
  readonly leftoverTempFiles: Set<string>;
}

/** Runs `work` with access to a folder, and releases the folder afterwards. */
export type WithFolder = <T>(signal: AbortSignal, work: (folder: Folder) => Promise<T>) => Promise<T>;

/** Thrown if a folder cannot be accessed. The message contains nothing of a file's content. */
export class FolderError extends BridgeError {
  override readonly name = "FolderError";
  /** `answered`: the server refused. `no-answer`: the connection failed. `credentials`: the login was refused. */
  readonly kind: Extract<RetryCode, "answered" | "no-answer" | "credentials">;

  constructor(message: string, kind: FolderError["kind"], cause?: unknown) {
    super("folder-failed", message, { cause });
    this.kind = kind;
  }
}

/**
 * Returns the outcome for an upload that failed with a `FolderError`. The outcome is always a retry: a file server
 * never rejects a packet for its content. It rejects a file or a login because of its disk, its permissions or its
 * load, and operators can fix those while the packets wait.
 *
 * @param wasRenaming true if the request that makes the file visible had been sent
 * @throws {unknown} `error` itself if it is not a `FolderError`
 */
export function retryOf(error: unknown, wasRenaming: boolean): Outcome {
  if (!(error instanceof FolderError)) throw error;
  const { message, kind } = error;
  return retry(message, {
    code: kind,
    mayHaveLanded: wasRenaming && kind === "no-answer",
    ...(kind === "credentials" && { auth: true }),
  });
}

/** Returns a name for the temporary file. Programs that poll a folder skip names that begin with a dot. */
function tempNameOf(name: string): string {
  // Unique per attempt: data of an abandoned attempt may still be on its way to the server.
  return `.${name}.${randomBytes(4).toString("hex")}.part`;
}

/**
 * Writes a file under a temporary name and renames it once it is complete, so readers never see part of it.
 *
 * Removes temporary files of earlier uploads first.
 *
 * @param beforeRename called once the file is complete and not yet visible
 */
export async function writeAtomically(
  folder: Folder,
  name: string,
  bytes: Uint8Array,
  beforeRename: () => void | Promise<void>,
): Promise<void> {
  for (const leftover of folder.leftoverTempFiles) {
    await folder.remove(leftover);
    folder.leftoverTempFiles.delete(leftover);
  }
  const tempName = tempNameOf(name);
  try {
    await folder.write(tempName, bytes);
    await beforeRename();
    await folder.rename(tempName, name);
  } catch (error) {
    await folder.remove(tempName).catch(() => folder.leftoverTempFiles.add(tempName));
    throw error;
  }
}
