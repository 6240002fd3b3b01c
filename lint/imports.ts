import { posix } from "node:path";
import type { Source } from "./source.ts";
import { lineAt } from "./source.ts";
import { walk } from "./walk.ts";

/** One import of a file: `import`, `import type`, `export … from`, `import()` and the type `import("…")`. */
export interface Import {
  /** Path from the repository's root for a relative import, otherwise the name as written. */
  readonly name: string;
  readonly line: number;
}

/** The package's own name, as the examples import it. */
const ownName = "hms-bridge";

/** Returns the imports of a file, in order. */
export function importsOf(source: Source): Import[] {
  return requestsOf(source)
    .sort((a, b) => a.start - b.start)
    .map(({ specifier, start }) => ({ name: resolved(source.path, specifier), line: lineAt(source, start) }));
}

interface Request {
  readonly specifier: string;
  readonly start: number;
}

function requestsOf(source: Source): Request[] {
  const { staticImports, staticExports } = source.module;
  const found = new Map<number, string>();
  for (const { moduleRequest } of staticImports) found.set(moduleRequest.start, moduleRequest.value);
  for (const { moduleRequest } of staticExports.flatMap(({ entries }) => entries)) {
    if (moduleRequest) found.set(moduleRequest.start, moduleRequest.value);
  }
  walk(source.program, (node) => {
    if (node.type !== "ImportExpression" && node.type !== "TSImportType") return;
    const { source: from } = node;
    if (from.type === "Literal" && typeof from.value === "string") found.set(from.start, from.value);
  });
  return Array.from(found, ([start, specifier]) => ({ specifier, start }));
}

function resolved(path: string, specifier: string): string {
  if (specifier === ownName) return "index.ts";
  return specifier.startsWith(".") ? posix.join(posix.dirname(path), specifier) : specifier;
}
