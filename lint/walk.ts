import { type Node, type Program, visitorKeys } from "oxc-parser";

/** Called for every node, parents before children. `ancestors` begins with the program and ends with the parent. */
export type Visit = (node: Node, ancestors: readonly Node[]) => void;

/** Visits every node of a program, types included. */
export function walk(program: Program, visit: Visit): void {
  visitFrom(program, visit, []);
}

function visitFrom(node: Node, visit: Visit, ancestors: Node[]): void {
  visit(node, ancestors);
  ancestors.push(node);
  const fields = node as unknown as Readonly<Record<string, Node | readonly (Node | null)[] | null>>;
  for (const key of visitorKeys[node.type] ?? []) {
    const child = fields[key];
    if (!child) continue;
    if ("type" in child) visitFrom(child, visit, ancestors);
    else for (const one of child) if (one) visitFrom(one, visit, ancestors);
  }
  ancestors.pop();
}
