import type { TextScan } from "./text-scan.ts";

const v4 =
  /(?<![\p{L}\d]|\d[.,])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\p{L}\d]|[.,-]?\d|-[a-z])/gu;
const v6 = /(?<![\p{L}\d:.])(?:[0-9a-f]{0,4}:){2,7}(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9a-f]{0,4})(?![\p{L}\d:]|\.\d)/giu;

/** Addresses. Four numbers below ten are a version as often: they count only where a word says address. */
export function findIps(scene: TextScan): void {
  for (const found of scene.left.matchAll(v6)) {
    const place = { index: found.index, end: found.index + found[0].length };
    if (isV6(found[0], () => scene.labelOf(place)?.meaning === "ip")) scene.take("ip", place.index, place.end);
  }
  for (const found of scene.left.matchAll(v4)) {
    const [text] = found;
    const place = { index: found.index, end: found.index + text.length };
    const said = scene.labelOf(place)?.meaning;
    if (said === "version" || (/^\d(?:\.\d){3}$/.test(text) && said !== "ip")) continue;
    if (/^(?:0\.0\.0\.0|255\.255\.)|(?:^|\.)0\d/.test(text)) continue;
    scene.take("ip", place.index, place.end);
  }
}

/** Source: RFC 4291, 2.2. A short one such as `a::1` is as often a name in a program. */
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
