import type { TextScan } from "./text-scan.ts";

const local = /[\p{L}\p{N}._%+'/&=?^{|}~!#$*-]/u;
/** Source: RFC 5321, 4.5.3.1: 64 octets before the sign, labels of 63 behind it. */
const longestLocal = 64;
const domain = /(?:[\p{L}\p{N}](?:[\p{L}\p{N}_-]{0,62})\.){1,8}(?:xn--[a-z0-9-]{2,59}|\p{L}{2,24})/iuy;

/** Addresses, from each `@` outwards. Sign names and images (`icon@2x.png`) are none, nor are the users of a URL. */
export function findEmails(scene: TextScan): void {
  const { read } = scene;
  let before = 0;
  for (let at = read.indexOf("@"); at >= 0; at = read.indexOf("@", at + 1)) {
    domain.lastIndex = at + 1;
    const host = domain.exec(read)?.[0];
    if (host === undefined) continue;
    const from = beginningOf(read, at, Math.max(before, at - longestLocal));
    const name = read.slice(from, at);
    const end = at + 1 + host.length;
    if (name === "" || isOther(read, from, name, host, end)) continue;
    scene.take("email", from, end);
    before = end;
  }
}

function beginningOf(read: string, at: number, least: number): number {
  if (read[at - 1] === '"') {
    const quote = read.lastIndexOf('"', at - 2);
    return quote >= least ? quote : at;
  }
  let from = at;
  while (from > least && local.test(read[from - 1] as string)) from--;
  // Of `to=jane@…`, `?mail=jane@…`, `mail/jane@…` only the name; a sign no name begins with belongs to the sentence.
  const tail = /[=?&/{|}!#$*^~]/;
  for (let i = at - 1; i >= from; i--) if (tail.test(read[i] as string)) return i + 1;
  while (from < at && /['.%+-]/.test(read[from] as string)) from++;
  return from;
}

function isOther(read: string, from: number, name: string, host: string, end: number): boolean {
  if (/^\d+x\./.test(host)) return true;
  // git@github.com:agency/repo.git
  if (/^(?:git|hg|svn)$/i.test(name) && read[end] === ":") return true;
  // postgres://user:secret@host/
  return /:\/\/[^\s/@]*$/.test(read.slice(Math.max(0, from - 80), from));
}
