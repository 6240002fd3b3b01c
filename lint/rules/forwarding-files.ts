import type { Directive, Statement } from "oxc-parser";
import type { Rule } from "../rule.ts";
import type { Source } from "../source.ts";

const folders = /^(?:bench|bridge|cli|connectors|functions|infra|library|lint|ops|platform)\//;

/** Reports files that only import and re-export names, which is a detour for the reader. */
export const forwardingFiles: Rule = {
  name: "forwarding-files",
  title: "files that only forward",
  check: (sources) =>
    sources
      .filter((source) => folders.test(source.path) && forwards(source))
      .map(({ path }) => ({
        file: path,
        line: 1,
        message: "this file only forwards: import from where the names are declared, and delete it",
      })),
};

function forwards({ program }: Source): boolean {
  const imported = new Set(program.body.flatMap(importedNames));
  const others = program.body.filter(({ type }) => type !== "ImportDeclaration");
  return others.length > 0 && others.every((statement) => isForward(statement, imported));
}

function importedNames(statement: Statement | Directive): string[] {
  return statement.type === "ImportDeclaration" ? statement.specifiers.map(({ local }) => local.name) : [];
}

function isForward(statement: Statement | Directive, imported: ReadonlySet<string>): boolean {
  if (statement.type === "ExportAllDeclaration") return true;
  if (statement.type !== "ExportNamedDeclaration" || statement.declaration) return false;
  return (
    statement.source !== null || statement.specifiers.every(({ local }) => "name" in local && imported.has(local.name))
  );
}
