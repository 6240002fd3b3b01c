import { withoutComments } from "../comments.ts";
import type { Rule } from "../rule.ts";
import { lineAt } from "../source.ts";

/** Expressions that access the clock, randomness, the process or the network. */
const impure = [
  /\bprocess\./g,
  /\bDate\.now\(/g,
  /\bnew Date\(\)/g,
  /\bMath\.random\(/g,
  /\bsetTimeout\(/g,
  /\bsetInterval\(/g,
  /\bperformance\.now\(/g,
  /\bfetch\(/g,
  /\bconsole\./g,
  /\brandomUUID\b/g,
  /\brandomBytes\b/g,
  /\bimport\(/g,
];

/** Reports direct access to clock, randomness, process or network in `bridge/`, which must use the ports. */
export const corePurity: Rule = {
  name: "core-purity",
  title: "clock, randomness, process or network in bridge/",
  check: (sources) =>
    sources
      .filter(({ path }) => path.startsWith("bridge/"))
      .flatMap((source) => {
        const code = withoutComments(source);
        return impure.flatMap((pattern) =>
          Array.from(code.matchAll(pattern), ({ 0: found, index }) => ({
            file: source.path,
            line: lineAt(source, index),
            message: `${found} has side effects or depends on the environment; use a port instead`,
          })),
        );
      }),
};
