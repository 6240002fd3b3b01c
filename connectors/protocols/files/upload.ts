// Uploads whole files to a local folder, an S3 bucket or an SFTP server, chosen by the address.
import { fileURLToPath } from "node:url";
import type { S3Place } from "../../../bridge/model/connector.ts";
import { delivered, type Outcome, retry } from "../../../bridge/model/outcome.ts";
import { withConnection } from "./connection-pool.ts";
import { type Folder, FolderError, retryOf, type WithFolder, writeAtomically } from "./folder.ts";
import { serverAt } from "./folder-address.ts";
import { localFolder } from "./local-folder.ts";
import { hasBucket, putObject } from "./s3.ts";
import { type Login, sftpSource } from "./sftp.ts";

/** A file to upload. The name is derived from the content, so an existing file with this name is the same file. */
export interface UploadFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly contentType: string;
}

/** Client for one folder or bucket that files are uploaded to. */
export interface Uploader {
  /** Uploads a file unless it exists already. Readers see the whole file or none. */
  upload(file: UploadFile, signal: AbortSignal): Promise<Outcome>;
  /** Returns true if the folder or bucket exists and can be accessed. */
  isAwake(signal: AbortSignal): Promise<boolean>;
}

export interface UploadLocation {
  /** A valid `file:`, `s3:` or `sftp:` address. */
  readonly to: string;
  readonly hostKeys?: readonly string[] | undefined;
  readonly kmsKey?: string | undefined;
}

/** Returns the uploader for an address. Without a login for an SFTP server, every upload returns a retry. */
export function uploaderFor(location: UploadLocation, login: Login | undefined): Uploader {
  if (location.to.startsWith("s3:")) return s3Uploader(s3PlaceOf(location));
  const withFolder = folderAt(location.to, location.hostKeys, login);
  return withFolder ? folderUploader(withFolder) : unavailableUploader(missingLogin);
}

/** Reason for a retry if the folder is on an SFTP server and the connector has no secret. */
export const missingLogin = "its secret is missing: sftp needs a username, and a password or a privateKey";

/** Returns access to a folder at a `file:` or `sftp:` address, or undefined if an `sftp:` address has no login. */
export function folderAt(
  address: string,
  hostKeys: readonly string[] = [],
  login: Login | undefined,
): WithFolder | undefined {
  if (address.startsWith("file:")) {
    const folder = localFolder(fileURLToPath(address));
    return (_, work) => work(folder);
  }
  if (!login) return undefined;
  const source = sftpSource({ ...serverAt(address, 22), hostKeys }, login);
  return (signal, work) => withConnection(source, signal, work);
}

/** Returns the bucket folder at an `s3:` address. */
export function s3PlaceOf({ to, kmsKey }: UploadLocation): S3Place {
  return { place: to.endsWith("/") ? to : `${to}/`, ...(kmsKey !== undefined && { kmsKey }) };
}

function folderUploader(withFolder: WithFolder): Uploader {
  return {
    async upload({ name, bytes }, signal) {
      const exists = async (folder: Folder) => (await folder.size(name)) === bytes.length;
      let isRenaming = false;
      try {
        await withFolder(signal, async (folder) => {
          if (await exists(folder)) return;
          await writeAtomically(folder, name, bytes, () => {
            isRenaming = true;
          });
        });
        return delivered({ at: name });
      } catch (error) {
        // The response to the rename may have been lost. A retry could come in another batch and repeat the rows, so the
        // folder is checked first.
        if (isRenaming && (await withFolder(signal, exists).catch(() => false))) return delivered({ at: name });
        return retryOf(error, isRenaming);
      }
    },
    async isAwake(signal) {
      try {
        await withFolder(signal, (folder) => folder.check());
        return true;
      } catch (error) {
        if (error instanceof FolderError) return false;
        throw error;
      }
    },
  };
}

function s3Uploader(place: S3Place): Uploader {
  return {
    async upload({ name, bytes, contentType }, signal) {
      try {
        await putObject(place, { name, bytes, contentType }, signal);
        return delivered({ at: name });
      } catch (error) {
        return retryOf(error, true);
      }
    },
    isAwake: (signal) => hasBucket(place, signal),
  };
}

/** Returns an uploader for a folder that cannot be accessed as configured. */
function unavailableUploader(reason: string): Uploader {
  return {
    upload: async () => retry(reason, { code: "setup", mayHaveLanded: false }),
    isAwake: async () => false,
  };
}
