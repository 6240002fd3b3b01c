import { FileError } from "./files.ts";

/** Longest accepted address, in UTF-16 code units. The address comes from an event, so its length is limited. */
const maxAddress = 1_024;

/**
 * Parses a file's address.
 *
 * @param protocol the only protocol this engine can read
 * @throws {FileError} if the text is not an address of this protocol, or carries credentials, a query or a fragment
 */
export function readAddress(text: string, protocol: "file:" | "s3:"): URL {
  const url = text.length > maxAddress ? null : URL.parse(text);
  if (!url) throw new FileError(`has no complete address; use one such as ${exampleOf(protocol)}`);
  const redacted = redactAddress(url);
  if (url.protocol !== protocol) {
    throw new FileError(`cannot be read here; move it to an address such as ${exampleOf(protocol)}`, redacted);
  }
  if (url.search || url.hash || url.username || url.password) {
    throw new FileError("has an address with credentials, a query or a fragment; remove them", redacted);
  }
  return url;
}

/** Returns the address without credentials, query and fragment, any of which could contain a secret. */
function redactAddress({ protocol, host, pathname }: URL): string {
  if (!pathname.startsWith("/")) return protocol;
  return `${protocol}//${host}${pathname}`;
}

function exampleOf(protocol: "file:" | "s3:"): string {
  return protocol === "file:" ? "file:///srv/rosters/may.ndjson" : "s3://bucket/rosters/may.ndjson";
}
