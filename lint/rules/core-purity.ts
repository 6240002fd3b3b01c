import type { Node } from "oxc-parser";
import type { Rule } from "../rule.ts";
import { lineAt, type Source } from "../source.ts";
import { walk } from "../walk.ts";

/** Globals that read the clock, chance, the process or the network, or that run code. */
const impureGlobals = new Set(
  `process console globalThis performance scheduler Temporal fetch crypto WebSocket EventSource Worker eval
    setTimeout setInterval setImmediate queueMicrotask`.split(/\s+/),
);

/** Members of otherwise pure globals that are impure. */
const impureMembers = new Set(["Date.now", "Math.random", "AbortSignal.timeout"]);

/** Exports of `node:crypto` that use chance. */
const chance = /^(?:random|generateKey|generatePrime|getRandomValues)/;

/** Reports access to clock, chance, process or network in `bridge/`, which gets them through the ports. */
export const corePurity: Rule = {
  name: "core-purity",
  title: "clock, chance, process or network in bridge/",
  check: (sources) =>
    sources
      .filter(({ path }) => path.startsWith("bridge/"))
      .flatMap((source) =>
        impureNodes(source).map(({ start, end }) => ({
          file: source.path,
          line: lineAt(source, start),
          message: `${source.text.slice(start, end)} reaches outside; take it through a port`,
        })),
      ),
};

function impureNodes(source: Source): Node[] {
  const declared = declaredNames(source);
  const found: Node[] = [];
  walk(source.program, (node, ancestors) => {
    const parent = ancestors.at(-1);
    if (parent && isImpure(node, parent, declared)) found.push(node);
  });
  return found;
}

function isImpure(node: Node, parent: Node, declared: ReadonlySet<string>): boolean {
  switch (node.type) {
    case "ImportExpression":
    case "MetaProperty":
      return true;
    case "ImportSpecifier":
      return "name" in node.imported && chance.test(node.imported.name);
    case "MemberExpression":
      return !node.computed && impureMembers.has(`${nameOf(node.object)}.${nameOf(node.property)}`);
    case "NewExpression":
      return nameOf(node.callee) === "Date" && node.arguments.length === 0;
    case "CallExpression":
      return nameOf(node.callee) === "Date";
    case "Identifier":
      if (isName(node, parent) || declared.has(node.name)) return false;
      return impureGlobals.has(node.name) || isTakenApart(node.name, parent);
    default:
      return false;
  }
}

/** True for the name of a property, method, label or type, which refers to no variable. */
function isName(node: Node, parent: Node): boolean {
  if (parent.type === "MemberExpression") return parent.property === node && !parent.computed;
  if (parent.type === "Property") return parent.key === node && !parent.computed && !parent.shorthand;
  if ("key" in parent) return parent.key === node && !("computed" in parent && parent.computed);
  return parent.type.startsWith("TS");
}

/** True for `const { now } = Date` and `f(Math)`, which hide the impure member. */
function isTakenApart(name: string, parent: Node): boolean {
  if (name !== "Date" && name !== "Math") return false;
  if (parent.type === "MemberExpression") return parent.computed;
  const isUsedAsClass = parent.type === "NewExpression" || parent.type === "CallExpression";
  return !isUsedAsClass && parent.type !== "BinaryExpression";
}

function nameOf(node: Node): string | undefined {
  return node.type === "Identifier" ? node.name : undefined;
}

/** Returns the names that a file imports or declares itself, in whatever scope. */
function declaredNames({ program }: Source): Set<string> {
  const names = new Set<string>();
  const add = (node: Node | null) => {
    if (node?.type === "Identifier") names.add(node.name);
  };
  walk(program, (node) => {
    if ("local" in node && node.type.startsWith("Import")) add(node.local as Node);
    if (node.type === "VariableDeclarator") add(node.id);
    if ("params" in node && Array.isArray(node.params)) for (const param of node.params as Node[]) add(param);
  });
  return names;
}
