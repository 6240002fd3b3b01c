import { functionsOf } from "../functions.ts";
import type { Rule } from "../rule.ts";
import { lineAt } from "../source.ts";

const maxParameters = 4;

/** Reports functions, methods and function types with more than four positional parameters, including rest parameters. */
export const parameterCount: Rule = {
  name: "parameter-count",
  title: `functions with over ${maxParameters} parameters`,
  check: (sources) =>
    sources.flatMap((source) =>
      functionsOf(source)
        .filter(({ parameters }) => parameters.length > maxParameters)
        .map(({ node, name, parameters }) => ({
          file: source.path,
          line: lineAt(source, node.start),
          message: `${name} has ${parameters.length} parameters; use an options object with a named type`,
        })),
    ),
};
