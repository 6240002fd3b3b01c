import { rowOf } from "../import-row.ts";
import type { Rule } from "../rule.ts";

/** Reports source files that no row of `lint/import-table.ts` covers, whose imports would not be checked. */
export const fileRows: Rule = {
  name: "file-rows",
  title: "files without a row in the table",
  check: (sources) =>
    sources
      .filter(({ path }) => rowOf(path) === undefined)
      .map(({ path }) => ({
        file: path,
        line: 1,
        message: "no row of lint/import-table.ts covers this file: move it into a folder of the table, or add a row",
      })),
};
