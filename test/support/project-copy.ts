import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { projectRoot } from "../../infra/bundle.ts";

/** A copy of the project in a temporary folder. Disposing it removes the folder. */
export interface ProjectCopy extends Disposable {
  readonly path: string;
}

/** Files that a deployment consists of. */
const deployed =
  /^(bridge|cli|connectors|functions|governance\.yaml|infra|mappings|ops|platform|cdk\.json|package\.json)(\/|$)/;

/** Files that the command line and the tests need in addition. */
const development = /^(library|ops|index\.ts|test|vitest\.config\.ts)(\/|$)/;

/**
 * Copies the files of a deployment and adds others, as a developer would.
 *
 * @param whole includes the command line and the tests
 */
export function projectCopy(files: Readonly<Record<string, string>>, { whole = false } = {}): ProjectCopy {
  const isIncluded = (path: string) => deployed.test(path) || (whole && development.test(path));
  const path = mkdtempSync(join(tmpdir(), "bridge-project-"));
  cpSync(projectRoot, path, {
    recursive: true,
    filter: (source) => source === projectRoot || isIncluded(relative(projectRoot, source)),
  });
  symlinkSync(join(projectRoot, "node_modules"), join(path, "node_modules"));
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Returns the project's cdk.json with additional context settings. */
export function cdkJsonWith(settings: Readonly<Record<string, unknown>>): string {
  const cdkJson = JSON.parse(readFileSync(join(projectRoot, "cdk.json"), "utf8")) as { context: object };
  return JSON.stringify({ ...cdkJson, context: { ...cdkJson.context, ...settings } });
}
