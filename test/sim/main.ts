import { parseArgs } from "node:util";
import { simulate } from "./simulate.ts";

// Runs simulated histories on the command line: `npm run sim -- --seed 1 --runs 100`.
const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    events: { type: "string", default: "20" },
    runs: { type: "string", default: "1" },
  },
});
const first = Number(values.seed);
const events = Number(values.events);
let packets = 0;
let sends = 0;
let failed = 0;
const began = performance.now();
for (let seed = first; seed < first + Number(values.runs); seed++) {
  const run = await simulate({ seed, events });
  packets += run.packets;
  sends += run.sends;
  if (process.env.DBG) console.log(seed, run.restedAfterMs / 60000, run.violations.length);
  if (values.runs === "1") console.log(`fingerprint ${run.fingerprint}`);
  if (run.violations.length === 0) continue;
  failed++;
  console.log(
    `seed ${seed}: ${run.violations.length} violations. To repeat: npm run sim -- --seed ${seed} --events ${events}`,
  );
  for (const { message, subject } of run.violations.slice(0, 8))
    console.log(`  ${message}${subject ? ` (${subject})` : ""}`);
  if (values.runs === "1") console.log(run.story.join("\n"));
}
const seconds = ((performance.now() - began) / 1_000).toFixed(1);
console.log(`${values.runs} runs (simulated), ${packets} packets, ${sends} sends, ${failed} failed, ${seconds} s`);
if (failed > 0) process.exitCode = 1;
