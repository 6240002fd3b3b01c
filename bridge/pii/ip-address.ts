import type { TextScan } from "./text-scan.ts";

const v4 =
  /(?<![\p{L}\d]|\d[.,])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\p{L}\d]|[.,-]?\d|-[a-z])/gu;
const v6 = /(?<![\p{L}\d:.])(?:[0-9a-f]{0,4}:){2,7}(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9a-f]{0,4})(?![\p{L}\d:]|\.\d)/giu;

/**
 * Finds IPv4 and IPv6 addresses.
 *
 * Four single-digit numbers are as often a version, so they count only under an address label.
 */
export function findIps(scan: TextScan): void {
  for (const found of scan.remaining.matchAll(v6)) {
    const span = { index: found.index, end: found.index + found[0].length };
    if (isV6(found[0], () => scan.labelOf(span)?.meaning === "ip")) scan.addMatch("ip", span.index, span.end);
  }
  for (const found of scan.remaining.matchAll(v4)) {
    const [text] = found;
    const span = { index: found.index, end: found.index + text.length };
    const meaning = scan.labelOf(span)?.meaning;
    if (meaning === "version" || (/^\d(?:\.\d){3}$/.test(text) && meaning !== "ip")) continue;
    if (/^(?:0\.0\.0\.0|255\.255\.)|(?:^|\.)0\d/.test(text)) continue;
    scan.addMatch("ip", span.index, span.end);
  }
}

/** Source: RFC 4291, 2.2. A short form such as `a::1` is as often a name in source code, so it needs a label. */
function isV6(text: string, isNamed: () => boolean): boolean {
  const [head = "", tail, more] = text.split("::");
  if (more !== undefined || !/\d/.test(text)) return false;
  const groupsIn = (part: string) => (part === "" ? [] : part.split(":"));
  const groups = [...groupsIn(head), ...groupsIn(tail ?? "")];
  if (groups.some((group) => group === "")) return false;
  const size = groups.length + (groups.at(-1)?.includes(".") ? 1 : 0);
  if (tail === undefined) return size === 8;
  if (size > 7) return false;
  return (groups[0]?.length ?? 0) >= 3 || groups.length >= 3 || isNamed();
}
