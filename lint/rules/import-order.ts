import { covers, rowOf } from "../import-row.ts";
import type { ImportRow } from "../import-table.ts";
import { type Import, importsOf } from "../imports.ts";
import type { Rule } from "../rule.ts";

const sourceFile = /\.(?:tsx?|js)$/;

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
        const message = isSource ? faultOfSource(row, found) : faultOfPackage(row, found);
        return message === undefined ? [] : [{ file: source.path, line: found.line, message }];
      });
    });
  },
};

function faultOfSource(row: ImportRow, { name }: Import): string | undefined {
  const target = rowOf(name);
  // The rule for files without a row reports the target.
  if (!target || target === row) return undefined;
  const imported = `${row.folder} (${row.order}) imports ${name} of ${target.folder} (${target.order})`;
  if (target.order > row.order) return `${imported}, which comes later in the order`;
  if (target.order === row.order) return `${imported}, which has the same number`;
  return row.imports.some((pattern) => covers(pattern, name)) ? undefined : `${imported}, which its row does not list`;
}

function faultOfPackage(row: ImportRow, { name }: Import): string | undefined {
  if (row.packages.some((pattern) => pattern.test(name))) return undefined;
  return sourceFile.test(name) && !name.includes("node_modules")
    ? `${row.folder} imports ${name}, which is not a source file of the tree`
    : `${row.folder} imports ${name}, which its row does not allow`;
}
