import { rowOf } from "../import-row.ts";
import type { Rule } from "../rule.ts";

/** Ending of a source file that every tool of the repository reads. */
const checkedEnding = /\.(?:tsx?|js)$/;

/** Reports source files that no row of `lint/import-table.ts` covers, or that `tsc` and `knip` do not read: nothing checks them. */
export const fileRows: Rule = {
  name: "file-rows",
  title: "files without a row in the table",
  check: (sources) =>
    sources.flatMap(({ path }) => {
      const message = issueOf(path);
      return message === undefined ? [] : [{ file: path, line: 1, message }];
    }),
};

function issueOf(path: string): string | undefined {
  if (!checkedEnding.test(path)) return "only .ts, .tsx and .js files are checked: rename this file";
  if (rowOf(path) !== undefined) return undefined;
  return "no row of lint/import-table.ts covers this file: move it into a folder of the table, or add a row";
}
