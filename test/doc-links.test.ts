import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");

const pages = globSync("**/*.md", { cwd: root, exclude: ["node_modules/**", "**/dist/**", "cdk.out/**"] }).sort();

/** Matches the target of a Markdown link or picture. */
const link = /\]\(([^()\s]+)\)/g;

/** Returns the anchors of a page, as GitHub makes them from its headings. */
function anchorsOf(text: string): Set<string> {
  const withoutCode = text.replace(/^```.*?^```/gms, "");
  const headings = [...withoutCode.matchAll(/^#{1,6} +(.+)$/gm)].map(([, heading = ""]) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

/** Returns the links of a page whose file or heading does not exist. */
function brokenLinks(page: string): string[] {
  const text = readFileSync(join(root, page), "utf8").replace(/^```.*?^```/gms, "");
  return [...text.matchAll(link)].flatMap(([, target = ""]) => {
    if (/^[a-z]+:/.test(target)) return [];
    const [path = "", anchor] = target.split("#");
    const file = path === "" ? join(root, page) : join(root, dirname(page), path);
    if (!existsSync(file)) return [target];
    if (anchor === undefined || statSync(file).isDirectory()) return [];
    return anchorsOf(readFileSync(file, "utf8")).has(anchor) ? [] : [target];
  });
}

describe("documentation links", () => {
  it.each(pages)("%s links only to files and headings that exist", (page) => {
    expect(brokenLinks(page)).toEqual([]);
  });
});
