import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");

/** The machine's own Node, if it is too old for the bridge. */
const oldNode = ["/usr/local/bin/node", "/usr/bin/node"].find((file) => {
  if (!existsSync(file)) return false;
  const { stdout } = spawnSync(file, ["-p", "process.versions.node.split('.')[0]"], { encoding: "utf8" });
  return Number(stdout) < 24;
});

test.runIf(oldNode)("every entry point rejects an old Node with a one-line message", () => {
  const entries = [["cli/main.js"], ["--import", "./cli/require-node.js", "demo/demo.ts"], ["cli/require-node.js"]];

  const runs = entries.map((args) => spawnSync(oldNode as string, args, { cwd: root, encoding: "utf8" }));

  for (const { status, stderr } of runs) {
    expect(stderr).toMatch(/^The bridge needs Node 24 or later, but this is v\d+\.[^\n]*\n$/);
    expect(status).toBe(3);
  }
});
