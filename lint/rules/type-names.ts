import type { Directive, Statement } from "oxc-parser";
import type { Rule } from "../rule.ts";
import { lineAt, type Source } from "../source.ts";

/** A type, interface, class or enum that a file declares and exports. */
interface ExportedType {
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

/** Reports exported types of `bridge/` that share a name, except the first of each name. */
export const typeNames: Rule = {
  name: "type-names",
  title: "exported types that share a name in bridge/",
  check: (sources) => {
    const types = sources.filter(({ path }) => path.startsWith("bridge/")).flatMap(exportedTypesOf);
    return [...Map.groupBy(types, ({ name }) => name).values()].flatMap(([first, ...others]) =>
      others.map(({ name, file, line }) => ({ file, line, message: `${name} is also exported by ${first?.file}` })),
    );
  },
};

/** Returns the exported types of a file, each name once, because a file may merge an interface and a class. */
function exportedTypesOf(source: Source): ExportedType[] {
  const exported = new Set(
    source.program.body.flatMap((statement) =>
      statement.type === "ExportNamedDeclaration" && !statement.source
        ? statement.specifiers.map(({ local }) => ("name" in local ? local.name : local.value))
        : [],
    ),
  );
  const found = new Map<string, ExportedType>();
  for (const statement of source.program.body) {
    const declared = statement.type === "ExportNamedDeclaration" ? statement.declaration : statement;
    const name = declared ? typeNameOf(declared) : undefined;
    if (name === undefined || found.has(name)) continue;
    if (declared === statement && !exported.has(name)) continue;
    found.set(name, { name, file: source.path, line: lineAt(source, statement.start) });
  }
  return [...found.values()];
}

function typeNameOf(statement: Statement | Directive): string | undefined {
  switch (statement.type) {
    case "TSTypeAliasDeclaration":
    case "TSInterfaceDeclaration":
    case "TSEnumDeclaration":
    case "ClassDeclaration":
      return statement.id?.name;
    default:
      return undefined;
  }
}
