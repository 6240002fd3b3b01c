import { FileError } from "./files.ts";

/** An address is a text in an event: no longer one is needed. */
const maxAddress = 1_024;

/**
 * Reads a file's address.
 *
 * @param protocol the one that can be read here: `file:` or `s3:`
 * @throws {FileError} where it is none, with what to do
 */
export function readAddress(text: string, protocol: "file:" | "s3:"): URL {
  const url = text.length > maxAddress ? null : URL.parse(text);
  if (!url) throw new FileError(`has no whole address; give one such as ${exampleOf(protocol)}`);
  const told = tellAddress(url);
  if (url.protocol !== protocol) {
    throw new FileError(`cannot be read here; put it at ${exampleOf(protocol)}`, told);
  }
  if (url.search || url.hash || url.username || url.password) {
    throw new FileError("was given with credentials, a query or a fragment; give the address alone", told);
  }
  return url;
}

/** An address as it may be told: without what could be a secret. */
function tellAddress({ protocol, host, pathname }: URL): string {
  if (!pathname.startsWith("/")) return protocol;
  return `${protocol}//${host}${pathname}`;
}

function exampleOf(protocol: "file:" | "s3:"): string {
  return protocol === "file:" ? "file:///srv/rosters/may.ndjson" : "s3://bucket/rosters/may.ndjson";
}
