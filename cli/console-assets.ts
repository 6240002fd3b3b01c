import { globSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { basename, extname, join } from "node:path";
import type { PageFile } from "../ops/base-app.ts";
import { replaceFile } from "../platform/durable-file.ts";

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
 * Returns a file of the Sync Dashboard by its URL path. The first call builds the page if it is missing or older than
 * its sources.
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

const notBuilt = `The Sync Dashboard could not be built. Run "npm install" without omitting development dependencies,
then reload. The command line and the API work without it: npx bridge --help
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

/** Bundles the page into `console/dist` unless the bundle is current. Takes less than a second. */
export async function buildPage(): Promise<void> {
  if (isFresh()) return;
  // Imported only for a build, so that an up-to-date page is served without esbuild.
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
  // The entry is written last, because its time shows whether the bundle is complete. Each file is replaced as a
  // whole, because another process may be reading it.
  for (const { path, contents } of outputFiles.toSorted((a, b) => Number(isEntry(a.path)) - Number(isEntry(b.path)))) {
    await replaceFile(path, contents, { mode: 0o644 });
  }
  const current = new Set(outputFiles.map(({ path }) => path));
  for (const file of globSync(join(built, "*.{js,css}"))) if (!current.has(file)) rmSync(file, { force: true });
}

const entry = join(built, "main.js");

function isEntry(path: string): boolean {
  return path === entry;
}

function isFresh(): boolean {
  const builtAt = statSync(entry, { throwIfNoEntry: false })?.mtimeMs;
  if (builtAt === undefined) return false;
  const inputs = [
    join(root, "package.json"),
    ...globSync(
      ["*.{ts,tsx,css,json}", "{parts,screens,style}/*.{ts,tsx,css}"].map((pattern) => join(sources, pattern)),
    ),
  ];
  return inputs.every((file) => statSync(file).mtimeMs < builtAt);
}
