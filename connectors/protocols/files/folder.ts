import { randomBytes } from "node:crypto";
import { type Outcome, type RetryCode, retry } from "../../../bridge/model/outcome.ts";
import { BridgeError } from "../../../bridge/values/bridge-error.ts";

/** A file in a folder. */
export interface FolderFile {
  readonly name: string;
  readonly bytes: number;
  /** Absent where the server does not tell it. */
  readonly changedAt?: Date;
}

/**
 * A folder files are dropped into or picked up from. Names are below it; `done/a.csv` is one in a folder within.
 *
 * What fails is thrown as a `FolderError`.
 */
export interface Folder {
  /** Looks whether it is there. */
  look(): Promise<void>;
  /** A file's bytes, or nothing where there is no such file. */
  size(name: string): Promise<number | undefined>;
  /** @throws where it has more bytes than `most` */
  read(name: string, most: number): Promise<Buffer>;
  list(): Promise<FolderFile[]>;
  /** Resolves when the whole file is there, by its size as the folder tells it. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** One that is not there is removed. */
  remove(name: string): Promise<void>;
  /** Files half written that could not be removed, because the connection was gone. */
  readonly leftoverTempFiles: Set<string>;
}

/** A way into a folder, for as long as some work takes. */
export type Enter = <T>(signal: AbortSignal, work: (folder: Folder) => Promise<T>) => Promise<T>;

/** Why a folder could not be used. Holds nothing of what was to be written. */
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
 * What a fault comes to: always another try. A server never refuses a packet, only a file or a caller, because of its
 * disk, its permissions or its mood; and those are mended by people while the packets wait.
 *
 * @param mayHaveLanded whether the last thing asked for was what makes a file visible
 * @throws what is no `FolderError`
 */
export function retryOf(fault: unknown, mayHaveLanded: boolean): Outcome {
  if (!(fault instanceof FolderError)) throw fault;
  const { message, kind } = fault;
  return retry(message, {
    code: kind,
    mayHaveLanded: mayHaveLanded && kind === "no-answer",
    ...(kind === "credentials" && { auth: true }),
  });
}

/** What went wrong with a connection, without what was sent over it. */
export function connectionText(error: Error): string {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  const known: Record<string, string> = {
    ECONNREFUSED: "nobody listens there",
    ECONNRESET: "the connection was reset",
    EPIPE: "the connection was closed",
    ENOTFOUND: "its host name is not known",
    EAI_AGAIN: "its host name could not be looked up",
    EHOSTUNREACH: "there is no way to its host",
    ENETUNREACH: "there is no way to its network",
    ETIMEDOUT: "its host did not answer",
    CERT_HAS_EXPIRED: "its certificate has expired",
    DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed",
    SELF_SIGNED_CERT_IN_CHAIN: "its certificate is of an authority nobody here knows",
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is of an authority nobody here knows",
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate is of an authority nobody here knows",
    ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another host",
  };
  return known[code] ?? `the connection broke off${code && ` (${code})`}`;
}

/** What a file is called while it is written. Whoever picks files up passes over names that begin with a dot. */
function asideOf(name: string): string {
  // Never the same twice: the end of a try that was given up could still be on its way to the server.
  return `.${name}.${randomBytes(4).toString("hex")}.part`;
}

/**
 * Writes a file aside, and makes it visible whole: nobody ever sees half of it under its name.
 *
 * @param beforeVisible runs when the whole file is there, and only its name is still another
 */
export async function writeWhole(
  folder: Folder,
  name: string,
  bytes: Uint8Array,
  beforeVisible: () => void | Promise<void>,
): Promise<void> {
  for (const part of folder.leftoverTempFiles) {
    await folder.remove(part);
    folder.leftoverTempFiles.delete(part);
  }
  const aside = asideOf(name);
  try {
    await folder.write(aside, bytes);
    await beforeVisible();
    await folder.rename(aside, name);
  } catch (fault) {
    await folder.remove(aside).catch(() => folder.leftoverTempFiles.add(aside));
    throw fault;
  }
}
