import { type ImportRow, importTable } from "./import-table.ts";

const expressions = new Map<string, RegExp>();

/**
 * Matches a path against a pattern of the table.
 *
 * `bridge/model` covers a folder and its subfolders, `platform/*` the files directly in a folder, `index.ts` one file.
 */
export function covers(pattern: string, path: string): boolean {
  const known = expressions.get(pattern);
  if (known) return known.test(path);
  const written = pattern.replaceAll(".", "\\.").replaceAll("*", "[^/]*");
  const expression = new RegExp(`^${written}${pattern.includes("*") ? "" : "(?:/.*)?"}$`);
  expressions.set(pattern, expression);
  return expression.test(path);
}

/** Returns a file's row: the most specific of those that cover it. */
export function rowOf(path: string): ImportRow | undefined {
  return importTable
    .filter(({ folder }) => covers(folder, path))
    .reduce<ImportRow | undefined>(
      (best, row) => (best && best.folder.length >= row.folder.length ? best : row),
      undefined,
    );
}
