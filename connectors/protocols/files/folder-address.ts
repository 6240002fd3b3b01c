// Parses folder addresses such as `sftp://host:22/inbox`. Credentials are in the secret and never in the address.
import * as z from "zod";

/**
 * Returns the schema of a folder's address.
 *
 * @param protocols accepted protocols, each with its colon: `sftp:`
 * @param examples addresses to show in messages, such as `sftp://host/inbox`
 */
export function addressSchema(protocols: readonly string[], examples: string) {
  return z.string().superRefine((text, check) => {
    const issue = issueIn(text, protocols, examples);
    if (issue) check.addIssue({ code: "custom", message: issue });
  });
}

function issueIn(text: string, protocols: readonly string[], examples: string): string | undefined {
  const url = URL.parse(text);
  if (!url || !protocols.includes(url.protocol)) return `is not an address such as ${examples}`;
  const { username, password, search, hash, host, protocol } = url;
  if (username || password) return "contains a user name or password; put the login into the secret";
  if (search || hash) return "has a query or a fragment";
  if (!host && protocol !== "file:") return "has no host";
  if (pathOf(url) === undefined) return "has a path with an invalid escape or a control character";
  return undefined;
}

/** Returns the decoded path, or undefined if it has an invalid escape or a control character. */
function pathOf({ pathname }: URL): string | undefined {
  try {
    const path = decodeURIComponent(pathname) || "/";
    return /\p{Cc}/u.test(path) ? undefined : path;
  } catch {
    return undefined;
  }
}

/** Splits a valid address into the parts that a connection needs. */
export function serverAt(address: string, defaultPort: number): { host: string; port: number; path: string } {
  const url = new URL(address);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? defaultPort : Number(url.port),
    path: pathOf(url) ?? "/",
  };
}
