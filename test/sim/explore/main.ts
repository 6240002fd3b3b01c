import { parseArgs } from "node:util";
import { explore } from "./explore.ts";
import { pairs, triples } from "./kinds.ts";

// Explores every interleaving of two workers: `npm run sim:explore -- --pairs --faults 2`.
const { values } = parseArgs({
  options: {
    pairs: { type: "boolean", default: false },
    triples: { type: "boolean", default: false },
    kind: { type: "string" },
    faults: { type: "string", default: "1" },
    pauses: { type: "string", default: "1" },
    "max-schedules": { type: "string" },
  },
});
const both = !values.pairs && !values.triples;
const kinds = [...(values.pairs || both ? pairs : []), ...(values.triples ? triples : [])].filter(
  ({ name }) => values.kind === undefined || name.includes(values.kind),
);
const limit = values["max-schedules"];
const budget = { faults: Number(values.faults), pauses: Number(values.pauses) };
let failed = 0;
for (const kind of kinds) {
  const result = await explore(kind, { ...budget, ...(limit !== undefined && { maxSchedules: Number(limit) }) });
  const { states, depth, schedules, ends, isComplete, seconds, failures } = result;
  const figures = `${states} states, depth ${depth}, ${schedules} schedules, ${ends} ends, ${seconds.toFixed(1)} s`;
  console.log(`${kind.name}: ${figures}, ${isComplete ? "frontier empty" : "frontier not empty"}`);
  if (failures.length > 0 || !isComplete) failed++;
  for (const { schedule, violations, trace } of failures) {
    console.log(`  after ${schedule.join(" ")}`);
    for (const violation of violations) console.log(`    ${violation}`);
    for (const line of trace) console.log(`      ${line}`);
  }
}
if (failed > 0) process.exitCode = 1;
