import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { projectRoot } from "../../infra/bundle.ts";

/** The project in a folder of its own, with files more. Gone when disposed of. */
export interface ProjectCopy extends Disposable {
  readonly path: string;
}

/** What a deployment is made of, and nothing else. */
const parts =
  /^(bridge|cli|connectors|functions|governance\.yaml|infra|mappings|ops|platform|cdk\.json|package\.json)(\/|$)/;

/** What its command line and its tests take besides. */
const more = /^(library|ops|index\.ts|test|vitest\.config\.ts)(\/|$)/;

/**
 * Copies what a deployment is made of, and adds files as somebody would who works on it.
 *
 * @param whole with its command line and its tests
 */
export function projectCopy(files: Readonly<Record<string, string>>, { whole = false } = {}): ProjectCopy {
  const isPart = (path: string) => parts.test(path) || (whole && more.test(path));
  const path = mkdtempSync(join(tmpdir(), "bridge-project-"));
  cpSync(projectRoot, path, {
    recursive: true,
    filter: (source) => source === projectRoot || isPart(relative(projectRoot, source)),
  });
  symlinkSync(join(projectRoot, "node_modules"), join(path, "node_modules"));
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** The project's own cdk.json with settings more, as an operator would change it. */
export function cdkJsonWith(more: Readonly<Record<string, unknown>>): string {
  const cdkJson = JSON.parse(readFileSync(join(projectRoot, "cdk.json"), "utf8")) as { context: object };
  return JSON.stringify({ ...cdkJson, context: { ...cdkJson.context, ...more } });
}
