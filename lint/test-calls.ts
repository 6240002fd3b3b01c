import type { CallExpression, Expression, Node } from "oxc-parser";

/** A call that defines a test or a group of tests. */
export interface TestCall {
  readonly kind: "describe" | "test";
  /** Title with `X` in place of each interpolated value; `undefined` if the title is not a literal. */
  readonly title: string | undefined;
  readonly start: number;
}

const kinds: Readonly<Record<string, TestCall["kind"]>> = {
  describe: "describe",
  suite: "describe",
  // A helper of this repository that repeats a group of tests for each database.
  onEachDatabase: "describe",
  it: "test",
  test: "test",
};

/** Members that take settings and return the function to call with a title: `it.each(rows)("…")`. */
const settings = new Set(["each", "for", "skipIf", "runIf"]);

/** Parses calls such as `it("…")`, `test.skip("…")` and `describe.each(rows)("…")`. Else `undefined`. */
export function testCallOf(call: CallExpression): TestCall | undefined {
  const kind = kindOf(call.callee);
  if (kind === undefined || takesSettings(call.callee)) return undefined;
  const [first] = call.arguments;
  return { kind, title: first && titleOf(first), start: first?.start ?? call.start };
}

function kindOf(callee: Expression): TestCall["kind"] | undefined {
  switch (callee.type) {
    case "Identifier":
      return Object.hasOwn(kinds, callee.name) ? kinds[callee.name] : undefined;
    case "MemberExpression":
      return kindOf(callee.object);
    case "CallExpression":
      return takesSettings(callee.callee) ? kindOf(callee.callee) : undefined;
    default:
      return undefined;
  }
}

function takesSettings(callee: Expression): boolean {
  return callee.type === "MemberExpression" && !callee.computed && settings.has(callee.property.name);
}

function titleOf(node: Node): string | undefined {
  if (node.type === "Literal" && typeof node.value === "string") return filledIn(node.value);
  if (node.type === "TemplateLiteral") return filledIn(node.quasis.map(({ value }) => value.cooked ?? "").join("X"));
  return undefined;
}

/** Replaces `%s` and `$name`, which stand for values of a table, with `X`. */
function filledIn(title: string): string {
  return title.replace(/%[sdifjoOc#$]|\$[a-z][\w.]*/g, "X");
}
