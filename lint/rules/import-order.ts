import { covers, rowOf } from "../import-row.ts";
import type { ImportRow } from "../import-table.ts";
import { type Import, importsOf } from "../imports.ts";
import type { Rule } from "../rule.ts";

/** Files that other files may import relatively without being source files. */
const dataFile = /\.(?:json|css)$/;

/** Reports imports that `lint/import-table.ts` does not allow, such as a folder with the same or a higher order. */
export const importOrder: Rule = {
  name: "import-order",
  title: "imports outside the table",
  check: (sources) => {
    const files = new Set(sources.map(({ path }) => path));
    return sources.flatMap((source) => {
      const row = rowOf(source.path);
      if (!row) return [];
      return importsOf(source).flatMap((found) => {
        const isSource = files.has(found.name);
        const message = isSource ? sourceIssue(row, found) : packageIssue(row, found);
        return message === undefined ? [] : [{ file: source.path, line: found.line, message }];
      });
    });
  },
};

function sourceIssue(row: ImportRow, { name }: Import): string | undefined {
  const target = rowOf(name);
  // The rule for files without a row reports the target.
  if (!target || target === row) return undefined;
  const imported = `${row.folder} (${row.order}) imports ${name} of ${target.folder} (${target.order})`;
  if (target.order > row.order) return `${imported}, which comes later in the order`;
  if (target.order === row.order) return `${imported}, which has the same number`;
  return row.imports.some((pattern) => covers(pattern, name)) ? undefined : `${imported}, which its row does not list`;
}

function packageIssue(row: ImportRow, { name, isRelative }: Import): string | undefined {
  const isData = dataFile.test(name) || name.startsWith("node_modules/");
  if (isRelative && !isData) return `${row.folder} imports ${name}, which is not a source file of the tree`;
  return row.packages.some((pattern) => pattern.test(name))
    ? undefined
    : `${row.folder} imports ${name}, which its row does not allow`;
}
