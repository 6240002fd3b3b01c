import { fileURLToPath } from "node:url";
import type { S3Place } from "../../../bridge/model/connector.ts";
import { delivered, type Outcome, retry } from "../../../bridge/model/outcome.ts";
import { withConnection } from "./connection-pool.ts";
import { type Enter, type Folder, FolderError, retryOf, writeWhole } from "./folder.ts";
import { serverAt } from "./folder-address.ts";
import { localFolder } from "./local-folder.ts";
import { hasBucket, putObject } from "./s3.ts";
import { type Login, sftpSource } from "./sftp.ts";

/** A file to be dropped. Its name follows from its content: another of that name is this one. */
export interface UploadFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly contentType: string;
}

/** Where whole files are dropped: a folder, a bucket, or a server. */
export interface Upload {
  /** Puts a file there, unless it is there already. */
  put(file: UploadFile, signal: AbortSignal): Promise<Outcome>;
  isAwake(signal: AbortSignal): Promise<boolean>;
}

export interface UploadPlace {
  /** An address that was checked: `file:`, `s3:` or `sftp:`. */
  readonly to: string;
  readonly hostKeys?: readonly string[] | undefined;
  readonly kmsKey?: string | undefined;
}

export function uploadTo(place: UploadPlace, login: Login | undefined): Upload {
  if (place.to.startsWith("s3:")) return s3Drop(s3PlaceOf(place));
  const enter = folderAt(place.to, place.hostKeys, login);
  return enter ? folderDrop(enter) : closedDrop(noLogin);
}

/** What a connector without a secret says of a folder that asks for one. */
export const noLogin = "its secret is missing: sftp needs a username, and a password or a privateKey";

/** The way into a folder of this machine (`file:`) or of a server (`sftp:`); nothing where there is no login for it. */
export function folderAt(
  address: string,
  hostKeys: readonly string[] = [],
  login: Login | undefined,
): Enter | undefined {
  if (address.startsWith("file:")) {
    const folder = localFolder(fileURLToPath(address));
    return (_, work) => work(folder);
  }
  if (!login) return undefined;
  const source = sftpSource({ ...serverAt(address, 22), hostKeys }, login);
  return (signal, work) => withConnection(source, signal, work);
}

/** The folder of a bucket that an `s3:` address means. */
export function s3PlaceOf({ to, kmsKey }: UploadPlace): S3Place {
  return { place: to.endsWith("/") ? to : `${to}/`, ...(kmsKey !== undefined && { kmsKey }) };
}

function folderDrop(enter: Enter): Upload {
  return {
    async put({ name, bytes }, signal) {
      const isThere = async (folder: Folder) => (await folder.size(name)) === bytes.length;
      let renaming = false;
      try {
        await enter(signal, async (folder) => {
          if (await isThere(folder)) return;
          await writeWhole(folder, name, bytes, () => {
            renaming = true;
          });
        });
        return delivered({ at: name });
      } catch (fault) {
        // The answer to a rename that got lost can still be had: a doubt that ends here makes no second row elsewhere.
        if (renaming && (await enter(signal, isThere).catch(() => false))) return delivered({ at: name });
        return retryOf(fault, renaming);
      }
    },
    isAwake: (signal) => isWell(enter(signal, (folder) => folder.look())),
  };
}

function s3Drop(place: S3Place): Upload {
  return {
    async put({ name, bytes, contentType }, signal) {
      try {
        await putObject(place, { name, bytes, contentType }, signal);
        return delivered({ at: name });
      } catch (fault) {
        return retryOf(fault, true);
      }
    },
    isAwake: (signal) => hasBucket(place, signal),
  };
}

function closedDrop(reason: string): Upload {
  return {
    put: async () => retry(reason, { code: "setup", mayHaveLanded: false }),
    isAwake: async () => false,
  };
}

async function isWell(work: Promise<void>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (fault) {
    if (fault instanceof FolderError) return false;
    throw fault;
  }
}
