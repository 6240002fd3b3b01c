import { type FoundFunction, functionsOf } from "../functions.ts";
import type { Rule } from "../rule.ts";
import { lineAt, linesOf, type Source } from "../source.ts";

const maxLines = 70;

/**
 * Reports functions of more than 70 lines, including blank lines and comments.
 *
 * The body of a `describe` may be longer, and its lines do not count for a function around it.
 */
export const functionLength: Rule = {
  name: "function-length",
  title: `functions over ${maxLines} lines`,
  check: (sources) =>
    sources.flatMap((source) => {
      const functions = functionsOf(source);
      return functions.flatMap((one) => {
        if (!one.hasBody || one.isDescribeBody) return [];
        const lines = linesOf(source, one.node) - linesOfDescribes(source, one, functions);
        const message = `${one.name} has ${lines} lines; ${maxLines} are allowed`;
        return lines > maxLines ? [{ file: source.path, line: lineAt(source, one.node.start), message }] : [];
      });
    }),
};

/** Counts the lines of the outermost `describe` bodies inside a function. */
function linesOfDescribes(source: Source, outer: FoundFunction, functions: readonly FoundFunction[]): number {
  let lines = 0;
  let end = outer.node.start;
  for (const { node, isDescribeBody } of functions) {
    if (!isDescribeBody || node.start < end || node.end > outer.node.end) continue;
    lines += linesOf(source, node);
    end = node.end;
  }
  return lines;
}
