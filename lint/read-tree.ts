import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSource, type Source } from "./source.ts";

const sourceFile = /\.[cm]?[jt]sx?$/;

/**
 * Reads and parses every source file of the repository, sorted by path.
 *
 * Skips the folders that `.gitignore` names and those that begin with a dot.
 */
export function readTree(root: string): Source[] {
  const ignored = new Set(ignoredFolders(readFileSync(join(root, ".gitignore"), "utf8")));
  return filesBelow(root, "", ignored)
    .sort()
    .map((path) => parseSource(path, readFileSync(join(root, path), "utf8")));
}

function filesBelow(root: string, folder: string, ignored: ReadonlySet<string>): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (!entry.isDirectory()) return sourceFile.test(entry.name) ? [path] : [];
    return entry.name.startsWith(".") || ignored.has(entry.name) ? [] : filesBelow(root, path, ignored);
  });
}

function ignoredFolders(gitignore: string): string[] {
  return gitignore.split("\n").flatMap((line) => (line.endsWith("/") ? [line.slice(0, -1)] : []));
}
