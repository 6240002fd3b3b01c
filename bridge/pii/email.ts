import type { TextScan } from "./text-scan.ts";

const localChar = /[\p{L}\p{N}._%+'/&=?^{|}~!#$*-]/u;
/** Source: RFC 5321, 4.5.3.1: 64 octets before the at sign, labels of 63 after it. */
const longestLocal = 64;
const domain = /(?:[\p{L}\p{N}](?:[\p{L}\p{N}_-]{0,62})\.){1,8}(?:xn--[a-z0-9-]{2,59}|\p{L}{2,24})/iuy;

/** Finds e-mail addresses. Skips image names (`icon@2x.png`), Git remotes and user names in URLs. */
export function findEmails(scan: TextScan): void {
  const { text } = scan;
  let before = 0;
  for (let at = text.indexOf("@"); at >= 0; at = text.indexOf("@", at + 1)) {
    domain.lastIndex = at + 1;
    const host = domain.exec(text)?.[0];
    if (host === undefined) continue;
    const from = startOfLocalPart(text, at, Math.max(before, at - longestLocal));
    const end = at + 1 + host.length;
    if (from === at || isNotAddress(text, { from, at, end })) continue;
    scan.addMatch("email", from, end);
    before = end;
  }
}

function startOfLocalPart(text: string, at: number, least: number): number {
  if (text[at - 1] === '"') {
    const quote = text.lastIndexOf('"', at - 2);
    return quote >= least ? quote : at;
  }
  let from = at;
  while (from > least && localChar.test(text[from - 1] as string)) from--;
  // In `to=jane@…`, `?mail=jane@…` and `mail/jane@…` only `jane` is the local part.
  const tail = /[=?&/{|}!#$*^~]/;
  for (let i = at - 1; i >= from; i--) if (tail.test(text[i] as string)) return i + 1;
  // Punctuation before the local part belongs to the sentence.
  while (from < at && /['.%+-]/.test(text[from] as string)) from++;
  return from;
}

interface AddressSpan {
  readonly from: number;
  /** Index of the at sign. */
  readonly at: number;
  readonly end: number;
}

function isNotAddress(text: string, { from, at, end }: AddressSpan): boolean {
  if (/^\d+x\./.test(text.slice(at + 1, end))) return true;
  // git@github.com:agency/repo.git
  if (/^(?:git|hg|svn)$/i.test(text.slice(from, at)) && text[end] === ":") return true;
  // postgres://user:secret@host/
  return /:\/\/[^\s/@]*$/.test(text.slice(Math.max(0, from - 80), from));
}
