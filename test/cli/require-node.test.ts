import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");

/** The machine's own Node, where it is older than the bridge's: found beside npm's usual places, else not at all. */
const oldNode = ["/usr/local/bin/node", "/usr/bin/node"].find((file) => {
  if (!existsSync(file)) return false;
  const { stdout } = spawnSync(file, ["-p", "process.versions.node.split('.')[0]"], { encoding: "utf8" });
  return Number(stdout) < 24;
});

test.runIf(oldNode)("a Node that is too old is told so in one line, at every entry", () => {
  const entries = [["cli/main.js"], ["--import", "./cli/require-node.js", "demo/demo.ts"], ["cli/require-node.js"]];

  const runs = entries.map((args) => spawnSync(oldNode as string, args, { cwd: root, encoding: "utf8" }));

  for (const { status, stderr } of runs) {
    expect(stderr).toMatch(/^The bridge needs Node 24 or later and this is v\d+\.[^\n]*\n$/);
    expect(status).toBe(3);
  }
});
