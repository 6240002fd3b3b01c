import { posix } from "node:path";
import type { Node } from "oxc-parser";
import type { Source } from "./source.ts";
import { lineAt } from "./source.ts";
import { walk } from "./walk.ts";

/**
 * One import of a file: `import`, `import type`, `export … from`, `import()`, `import x = require()` and the type
 * `import("…")`.
 */
export interface Import {
  /** Path from the repository's root for a relative import, otherwise the name as written. */
  readonly name: string;
  readonly isRelative: boolean;
  readonly line: number;
}

/** The package's own name, as the examples import it. */
const ownName = "hms-bridge";

/** Returns the imports of a file, in order. */
export function importsOf(source: Source): Import[] {
  return requestsOf(source)
    .sort((a, b) => a.start - b.start)
    .map(({ specifier, start }) => ({
      name: resolved(source.path, specifier),
      isRelative: specifier.startsWith("."),
      line: lineAt(source, start),
    }));
}

interface Request {
  readonly specifier: string;
  readonly start: number;
}

function requestsOf(source: Source): Request[] {
  const found: Request[] = [];
  walk(source.program, (node) => {
    const from = specifierOf(node);
    if (from) found.push({ specifier: textOf(from) ?? computed, start: from.start });
  });
  return found;
}

/** Stands for a specifier that is not a plain text, so that no row of the table allows it. */
const computed = "#computed";

/** Returns the node that names the imported module, if a node imports one. */
function specifierOf(node: Node): Node | undefined {
  switch (node.type) {
    case "ImportDeclaration":
    case "ExportAllDeclaration":
    case "ImportExpression":
    case "TSImportType":
      return node.source;
    case "ExportNamedDeclaration":
      return node.source ?? undefined;
    case "TSExternalModuleReference":
      return node.expression;
    default:
      return undefined;
  }
}

/** Returns the text of a string or of a template without placeholders. */
function textOf(node: Node): string | undefined {
  if (node.type === "Literal" && typeof node.value === "string") return node.value;
  if (node.type === "TemplateLiteral" && node.expressions.length === 0)
    return node.quasis[0]?.value.cooked ?? undefined;
  return undefined;
}

function resolved(path: string, specifier: string): string {
  if (specifier === ownName) return "index.ts";
  return specifier.startsWith(".") ? posix.join(posix.dirname(path), specifier) : specifier;
}
