import { type ImportRow, importTable } from "./import-table.ts";

const expressions = new Map<string, RegExp>();

/**
 * Matches a path against a pattern of the table.
 *
 * `bridge/model` covers the folder and all below it, `platform/*` the files directly in it, `index.ts` that file.
 */
export function covers(pattern: string, path: string): boolean {
  const known = expressions.get(pattern);
  if (known) return known.test(path);
  const written = pattern.replaceAll(".", "\\.").replaceAll("*", "[^/]*");
  const expression = new RegExp(`^${written}${pattern.includes("*") ? "" : "(?:/.*)?"}$`);
  expressions.set(pattern, expression);
  return expression.test(path);
}

/** The row a file belongs to: the longest of those that cover it. */
export function rowOf(path: string): ImportRow | undefined {
  return importTable
    .filter(({ folder }) => covers(folder, path))
    .reduce<ImportRow | undefined>(
      (best, row) => (best && best.folder.length >= row.folder.length ? best : row),
      undefined,
    );
}
