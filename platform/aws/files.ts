import { GetObjectCommand, HeadObjectCommand, type S3Client, S3ServiceException } from "@aws-sdk/client-s3";
import type { FileVersion } from "../../bridge/model/roster.ts";
import { readAddress } from "../../bridge/ports/file-address.ts";
import { FileError, type FilesPort } from "../../bridge/ports/files.ts";

/** Prefix of a version that is the ETag of an object in an unversioned bucket. */
const etagPrefix = "etag ";

export interface AwsFilesOptions {
  readonly client: S3Client;
  /** Folders that may be read: `s3://bucket/` or `s3://bucket/folder/`. */
  readonly places: readonly string[];
}

/**
 * Reads S3 objects at `s3:` addresses inside the folders that the deployment allows.
 *
 * A version is the object's `VersionId`. In an unversioned bucket it is the ETag, so that an overwritten object is
 * detected as changed.
 */
export class AwsFiles implements FilesPort {
  readonly #options: AwsFilesOptions;

  constructor(options: AwsFilesOptions) {
    this.#options = options;
  }

  async find(address: string): Promise<FileVersion> {
    const object = this.#allowed(address);
    try {
      const { VersionId, ETag, ContentLength = 0 } = await this.#options.client.send(new HeadObjectCommand(object));
      // A bucket with suspended versioning gives each object it writes the version "null".
      const version = VersionId !== undefined && VersionId !== "null" ? VersionId : `${etagPrefix}${ETag}`;
      return { address, version, bytes: ContentLength };
    } catch (error) {
      throw fileErrorOf(address, error);
    }
  }

  async *read(
    { address, version }: FileVersion,
    { from, to }: { readonly from: number; readonly to: number },
  ): AsyncGenerator<Uint8Array> {
    const object = this.#allowed(address);
    if (from >= to) return;
    const pinned = version.startsWith(etagPrefix)
      ? { IfMatch: version.slice(etagPrefix.length) }
      : { VersionId: version };
    const ended = new AbortController();
    try {
      const { Body, ContentRange } = await this.#options.client.send(
        new GetObjectCommand({ ...object, ...pinned, Range: `bytes=${from}-${to - 1}` }),
        { abortSignal: ended.signal },
      );
      const blocks = Body as AsyncIterable<Uint8Array>;
      yield* ContentRange === undefined ? partOf(blocks, from, to) : blocks;
    } catch (error) {
      throw fileErrorOf(address, error);
    } finally {
      // Stops the download if the caller does not read to the end.
      ended.abort();
    }
  }

  #allowed(address: string): { Bucket: string; Key: string } {
    const url = readAddress(address, "s3:");
    if (!this.#options.places.some((place) => address.startsWith(place) && address.length > place.length)) {
      throw new FileError(
        'is outside the folders the bridge may read; move it into one of them, or add its folder to "places" and deploy again',
        address,
      );
    }
    return { Bucket: url.host, Key: address.slice(`s3://${url.host}/`.length) };
  }
}

/**
 * Cuts the requested range out of a whole object, for servers that ignore the Range header.
 *
 * Source: RFC 9110, 14.2, "A server MAY ignore the Range".
 */
async function* partOf(blocks: AsyncIterable<Uint8Array>, from: number, to: number): AsyncGenerator<Uint8Array> {
  let offset = 0;
  for await (const block of blocks) {
    const part = block.subarray(Math.max(0, from - offset), Math.max(0, to - offset));
    if (part.length > 0) yield part;
    offset += block.length;
    if (offset >= to) return;
  }
}

/** Returns a `FileError` for a permanent S3 error. Returns other errors unchanged; the caller retries them. */
function fileErrorOf(address: string, error: unknown): unknown {
  if (!(error instanceof S3ServiceException)) return error;
  switch (error.$metadata.httpStatusCode) {
    case 404:
    case 405:
      return new FileError("is not there", address);
    case 412:
      return new FileError("has changed since it was looked up", address);
    case 403:
      // S3 also answers 403 for a missing object if the caller may not list the bucket.
      return new FileError("is not there, or may not be read: see the bucket's policy and its key's", address);
    default:
      return error;
  }
}
