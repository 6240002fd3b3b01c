import { GetObjectCommand, HeadObjectCommand, type S3Client, S3ServiceException } from "@aws-sdk/client-s3";
import type { FileVersion } from "../../bridge/model/roster.ts";
import { readAddress } from "../../bridge/ports/file-address.ts";
import { FileError, type FilesPort } from "../../bridge/ports/files.ts";

/** What is not a version's id but the ETag of an object in a bucket without versions. */
const etagMark = "etag ";

export interface AwsFilesOptions {
  readonly client: S3Client;
  /** `s3://bucket/` or `s3://bucket/folder/` */
  readonly places: readonly string[];
}

/**
 * Objects of S3 at `s3:` addresses, below the places the deployment names.
 *
 * A version is the object's `VersionId`; in a bucket that keeps none it is the ETag, so that an object which is written
 * over is found to have changed.
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
      // A bucket whose versions are suspended calls all it writes "null".
      const version = VersionId !== undefined && VersionId !== "null" ? VersionId : `${etagMark}${ETag}`;
      return { address, version, bytes: ContentLength };
    } catch (error) {
      throw faultOf(address, error);
    }
  }

  async *read(
    { address, version }: FileVersion,
    { from, to }: { readonly from: number; readonly to: number },
  ): AsyncGenerator<Uint8Array> {
    const object = this.#allowed(address);
    if (from >= to) return;
    const pinned = version.startsWith(etagMark) ? { IfMatch: version.slice(etagMark.length) } : { VersionId: version };
    const ended = new AbortController();
    try {
      const { Body, ContentRange } = await this.#options.client.send(
        new GetObjectCommand({ ...object, ...pinned, Range: `bytes=${from}-${to - 1}` }),
        { abortSignal: ended.signal },
      );
      const blocks = Body as AsyncIterable<Uint8Array>;
      yield* ContentRange === undefined ? partOf(blocks, from, to) : blocks;
    } catch (error) {
      throw faultOf(address, error);
    } finally {
      // Whoever has read enough leaves the rest where it is.
      ended.abort();
    }
  }

  #allowed(address: string): { Bucket: string; Key: string } {
    const url = readAddress(address, "s3:");
    if (!this.#options.places.some((place) => address.startsWith(place) && address.length > place.length)) {
      throw new FileError(
        'is in none of the places the bridge may read from; put it into one, or deploy with its place under "places"',
        address,
      );
    }
    return { Bucket: url.host, Key: address.slice(`s3://${url.host}/`.length) };
  }
}

/** What serves S3's protocol may answer with the whole object. Source: RFC 9110, 14.2, "A server MAY ignore the Range". */
async function* partOf(blocks: AsyncIterable<Uint8Array>, from: number, to: number): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const block of blocks) {
    const part = block.subarray(Math.max(0, from - at), Math.max(0, to - at));
    if (part.length > 0) yield part;
    at += block.length;
    if (at >= to) return;
  }
}

/** What S3 says that trying again would not change. Anything else is thrown as it is, and tried again. */
function faultOf(address: string, error: unknown): unknown {
  if (!(error instanceof S3ServiceException)) return error;
  switch (error.$metadata.httpStatusCode) {
    case 404:
    case 405:
      return new FileError("is not there", address);
    case 412:
      return new FileError("has changed since it was looked up", address);
    case 403:
      // S3 says so too of what is not there, to those who may not list a bucket.
      return new FileError("is not there, or may not be read: see the bucket's policy and its key's", address);
    default:
      return error;
  }
}
