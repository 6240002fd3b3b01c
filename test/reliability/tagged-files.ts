import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Row } from "./rows.ts";

const root = join(import.meta.dirname, "..", "..");

/** Returns the test files of `npm test` that contain the tag of any of the rows, without loading them. */
export function taggedFiles(rows: readonly Row[]): readonly string[] {
  const tags = rows.map(({ number }) => `"row-${number}"`);
  return globSync("test/**/*.test.ts", { cwd: root, exclude: ["test/{aws,browser}/**"] })
    .filter((file) => {
      const text = readFileSync(join(root, file), "utf8");
      return tags.some((tag) => text.includes(tag));
    })
    .sort();
}
