import * as z from "zod";

/** A folder's address, such as `sftp://host:22/inbox`, as a configuration gives it: without who enters. */
export function addressSchema(protocols: readonly string[], examples: string) {
  return z.string().superRefine((text, check) => {
    const fault = faultOf(text, protocols, examples);
    if (fault) check.addIssue({ code: "custom", message: fault });
  });
}

function faultOf(text: string, protocols: readonly string[], examples: string): string | undefined {
  const url = URL.parse(text);
  if (!url || !protocols.includes(url.protocol)) return `is no address such as ${examples}`;
  const { username, password, search, hash, host, protocol } = url;
  if (username || password) return "names a user; who enters is in the secret";
  if (search || hash) return "has a query or a fragment";
  if (!host && protocol !== "file:") return "names no host";
  if (folderOf(url) === undefined) return "has a path with an escape that is none, or a control character";
  return undefined;
}

/** The path of an address, its escapes resolved; nothing where it is not one to be used. */
export function folderOf({ pathname }: URL): string | undefined {
  try {
    const path = decodeURIComponent(pathname) || "/";
    return /\p{Cc}/u.test(path) ? undefined : path;
  } catch {
    return undefined;
  }
}

/** An address that was checked, in the parts a connection needs. */
export function serverAt(address: string, usualPort: number): { host: string; port: number; path: string } {
  const url = new URL(address);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? usualPort : Number(url.port),
    path: folderOf(url) ?? "/",
  };
}
