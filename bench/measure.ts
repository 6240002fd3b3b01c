import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import type { Library } from "./scenario.ts";
import { scenarioNamed } from "./scenarios.ts";
import type { Targets } from "./target.ts";
import { startTargets } from "./target-process.ts";

// Measures one scenario of one tree in this process and prints the measurement as one line of JSON.
// To profile a scenario, run it by hand: node --cpu-prof bench/measure.ts --scenario burst

const { values } = parseArgs({
  options: {
    scenario: { type: "string" },
    tree: { type: "string", default: join(import.meta.dirname, "..") },
    packets: { type: "string", default: "25000" },
    dir: { type: "string", default: tmpdir() },
  },
});
const tree = resolve(values.tree);
const dir = mkdtempSync(join(resolve(values.dir), "bridge-bench-run-"));
// The library reads bridge.yaml and governance.yaml from the working folder, and each tree has its own.
process.chdir(tree);
const given = process.env.BENCH_TARGETS;
const own = given === undefined ? await startTargets() : undefined;
let measurement: unknown;
try {
  measurement = await scenarioNamed(values.scenario ?? "idle").run({
    tree,
    library: () => import(pathToFileURL(join(tree, "index.ts")).href) as Promise<Library>,
    targets: own?.targets ?? (JSON.parse(given as string) as Targets),
    packets: Number(values.packets),
    dir,
  });
} finally {
  own?.[Symbol.dispose]();
  rmSync(dir, { recursive: true });
}
// Exits at once, because the library's open connections and timers would delay the end.
process.stdout.write(`${JSON.stringify(measurement)}\n`, () => process.exit());
