import { globSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, extname, join } from "node:path";
import type { PageFile } from "../ops/base-app.ts";

const root = join(import.meta.dirname, "..");
const sources = join(root, "console");
const built = join(sources, "dist");

const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

let page: Promise<ReadonlyMap<string, PageFile>> | undefined;

/**
 * A file of the Sync Dashboard, by its path. The first that asks has the page built, where it is not built yet or its
 * sources are newer.
 */
export async function pageFile(path: string): Promise<PageFile | undefined> {
  page ??= buildPage().then(readPage);
  try {
    return (await page).get(path);
  } catch {
    page = undefined;
    return path === "/" ? { type: "text/plain; charset=utf-8", body: new TextEncoder().encode(notBuilt) } : undefined;
  }
}

const notBuilt = `The Sync Dashboard could not be built. "npm install" brings what it takes, if not told to leave out
development packages. The command line and the API do without: npx bridge --help
`;

function readPage(): ReadonlyMap<string, PageFile> {
  const files = [join(sources, "index.html"), join(sources, "favicon.svg"), ...globSync(join(built, "*.{js,css}"))];
  return new Map(
    files.map((file) => [
      file.endsWith("index.html") ? "/" : `/${basename(file)}`,
      { type: types[extname(file)] as string, body: readFileSync(file) },
    ]),
  );
}

/** Bundles the page into `console/dist`, where that is not done yet: a fraction of a second. */
export async function buildPage(): Promise<void> {
  if (isFresh()) return;
  // Only who builds needs it: a page that was built before is served without.
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    entryPoints: [join(sources, "main.tsx")],
    outdir: built,
    bundle: true,
    splitting: true,
    chunkNames: "[name]",
    format: "esm",
    minify: true,
    charset: "utf8",
    target: "es2024",
    write: false,
    logLevel: "silent",
  });
  mkdirSync(built, { recursive: true });
  // The entry last: by its time one sees whether all is there. Each at once: another process may read it just now.
  for (const { path, contents } of outputFiles.toSorted((a, b) => Number(isEntry(a.path)) - Number(isEntry(b.path)))) {
    const partial = `${path}.${process.pid}`;
    writeFileSync(partial, contents);
    renameSync(partial, path);
  }
  const made = new Set(outputFiles.map(({ path }) => path));
  for (const file of globSync(join(built, "*.{js,css}"))) if (!made.has(file)) rmSync(file, { force: true });
}

const entry = join(built, "main.js");

function isEntry(path: string): boolean {
  return path === entry;
}

function isFresh(): boolean {
  const builtAt = statSync(entry, { throwIfNoEntry: false })?.mtimeMs;
  if (builtAt === undefined) return false;
  const changed = [
    join(root, "package.json"),
    ...globSync(
      ["*.{ts,tsx,css,json}", "{parts,screens,style}/*.{ts,tsx,css}"].map((pattern) => join(sources, pattern)),
    ),
  ];
  return changed.every((file) => statSync(file).mtimeMs < builtAt);
}
