import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, symlinkSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { runChild } from "./child.ts";
import type { Workspace } from "./workspace.ts";

// Checks out another commit of this repository into a temporary folder, with the packages it needs.

const installSeconds = 900;

/** Returns a revision's full commit id, or `undefined` if `git rev-parse` does not find a commit. */
export function resolveCommit(root: string, revision: string): string | undefined {
  const object = revParse(root, revision);
  return object && revParse(root, `${object}^{commit}`);
}

function revParse(root: string, revision: string): string | undefined {
  const args = ["rev-parse", "--verify", "--quiet", "--end-of-options", revision];
  const { status, stdout } = spawnSync("git", args, { cwd: root, encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

/** Returns true if the tree has uncommitted changes. */
export function hasChanges(root: string): boolean {
  return execFileSync("git", ["status", "--porcelain"], { cwd: root, encoding: "utf8" }) !== "";
}

/** Checks a commit out into the workspace, which removes it later. Returns the root of the new tree. */
export async function checkOut(root: string, commit: string, workspace: Workspace): Promise<string> {
  const tree = join(workspace.dir, "other");
  // Hooks are disabled, because they are not meant for a temporary tree.
  const git = (...args: readonly string[]) =>
    execFileSync("git", ["-c", "core.hooksPath=/dev/null", "worktree", ...args], {
      cwd: root,
      stdio: ["ignore", "ignore", "inherit"],
    });
  workspace.defer(() => {
    if (existsSync(tree)) git("remove", "--force", tree);
  });
  git("add", "--quiet", "--detach", tree, commit);
  await addPackages(root, tree, workspace);
  return tree;
}

/** Links this tree's packages if the lock files are equal, and otherwise installs the other tree's own. */
async function addPackages(root: string, tree: string, { signal, defer }: Workspace): Promise<void> {
  const packages = join(tree, "node_modules");
  if (lockOf(root) === lockOf(tree)) {
    symlinkSync(join(root, "node_modules"), packages);
    defer(() => unlinkSync(packages));
    return;
  }
  console.error("package-lock.json differs: installing the other commit's packages");
  const args = ["install", "--omit=dev", "--no-audit", "--no-fund"];
  const purpose = "install the other commit's packages";
  await runChild("npm", args, { purpose, cwd: tree, signal, timeoutSeconds: installSeconds });
}

function lockOf(tree: string): string | undefined {
  const file = join(tree, "package-lock.json");
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}
