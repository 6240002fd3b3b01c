import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, symlinkSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { runChild } from "./child.ts";
import type { Workspace } from "./workspace.ts";

// Another commit of this repository, checked out beside today's tree with the packages it needs.

const installSeconds = 900;

/** The commit's full id, or `undefined` if git knows no such commit here. Takes anything `git rev-parse` takes. */
export function resolveCommit(root: string, revision: string): string | undefined {
  const object = revParse(root, revision);
  return object && revParse(root, `${object}^{commit}`);
}

function revParse(root: string, revision: string): string | undefined {
  const args = ["rev-parse", "--verify", "--quiet", "--end-of-options", revision];
  const { status, stdout } = spawnSync("git", args, { cwd: root, encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

/** Returns true if files of the tree differ from its commit. */
export function hasChanges(root: string): boolean {
  return execFileSync("git", ["status", "--porcelain"], { cwd: root, encoding: "utf8" }) !== "";
}

/** Checks the commit out into the workspace, which removes it at its end. Returns the root of the new tree. */
export async function checkOut(root: string, commit: string, workspace: Workspace): Promise<string> {
  const tree = join(workspace.dir, "other");
  // Hooks are switched off: they are meant for working trees, not for a temporary one.
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

/** Links today's packages if the lock files are equal, and installs the tree's own otherwise. */
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
