import type { Node, ParamPattern } from "oxc-parser";
import type { Source } from "./source.ts";
import { testCallOf } from "./test-calls.ts";
import { walk } from "./walk.ts";

/** A function, a method, or a function type. */
export interface FoundFunction {
  readonly node: Node;
  /** Name of the function or of the variable or property that holds it, else "a function". */
  readonly name: string;
  /** Positional parameters, without `this`. */
  readonly parameters: readonly ParamPattern[];
  readonly hasBody: boolean;
  /** True if the function is the body of a `describe`. */
  readonly isDescribeBody: boolean;
}

/** Returns the functions of a file, outer ones before inner ones. */
export function functionsOf(source: Source): FoundFunction[] {
  const found: FoundFunction[] = [];
  walk(source.program, (node, ancestors) => {
    const parameters = parametersOf(node);
    if (!parameters) return;
    const parent = ancestors.at(-1);
    found.push({
      node,
      name: nameOf(node) ?? (parent && nameOf(parent)) ?? "a function",
      parameters: parameters.filter((one) => !(one.type === "Identifier" && one.name === "this")),
      hasBody: "body" in node && node.body !== null,
      isDescribeBody: parent?.type === "CallExpression" && testCallOf(parent)?.kind === "describe",
    });
  });
  return found;
}

function parametersOf(node: Node): readonly ParamPattern[] | undefined {
  switch (node.type) {
    case "FunctionDeclaration":
    case "FunctionExpression":
    case "ArrowFunctionExpression":
    case "TSDeclareFunction":
    case "TSEmptyBodyFunctionExpression":
    case "TSFunctionType":
    case "TSConstructorType":
    case "TSMethodSignature":
    case "TSCallSignatureDeclaration":
    case "TSConstructSignatureDeclaration":
      return node.params;
    default:
      return undefined;
  }
}

function nameOf(node: Node): string | undefined {
  if ("id" in node && node.id && "name" in node.id && typeof node.id.name === "string") return node.id.name;
  if ("key" in node && node.key && "name" in node.key && typeof node.key.name === "string") return node.key.name;
  return undefined;
}
