import { join } from "node:path";
import { parseArgs } from "node:util";
import { readTree } from "./read-tree.ts";
import { jsonReport, textReport } from "./report.ts";
import { rules } from "./rules.ts";

// Checks the repository's structure and prose: `npm run check:house`. Biome checks the code style.
const { values } = parseArgs({
  options: {
    all: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    rule: { type: "string", multiple: true },
  },
});

const names = values.rule ?? rules.map(({ name }) => name);
const unknown = names.filter((name) => !rules.some((rule) => rule.name === name));
if (unknown.length > 0) {
  console.error(`Unknown rule ${unknown.join(", ")}. Rules: ${rules.map(({ name }) => name).join(", ")}.`);
  process.exit(2);
}

const sources = readTree(join(import.meta.dirname, ".."));
const results = rules
  .filter(({ name }) => names.includes(name))
  .map((rule) => ({ rule, findings: rule.check(sources) }));
console.log(values.json ? jsonReport(results) : textReport(results, values.all ? Number.POSITIVE_INFINITY : 20));
if (results.some(({ findings }) => findings.length > 0)) process.exitCode = 1;
