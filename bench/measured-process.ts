import { fileURLToPath } from "node:url";
import * as z from "zod";
import { runChild } from "./child.ts";
import type { Measurement, Scenario } from "./scenario.ts";
import type { Targets } from "./target.ts";
import type { Workspace } from "./workspace.ts";

// Runs measure.ts in a new process for each measured run.

export interface Run {
  readonly scenario: Scenario;
  /** Root of the tree whose code is measured. */
  readonly tree: string;
  readonly packets: number;
}

export type MeasureRun = (run: Run) => Promise<Measurement>;

const measurementSchema = z.object({ figures: z.record(z.string(), z.number()), notes: z.array(z.string()) });

const program = fileURLToPath(new URL("measure.ts", import.meta.url));

/** Time limit of one run. Even a slow machine delivers 100 packets per second, so a run that takes longer hangs. */
const timeoutSeconds = (packets: number) => 120 + packets / 100;

/** Returns a function that measures each run in a process of its own. All processes call the same targets. */
export function measureInProcesses(targets: Targets, { dir, signal }: Workspace): MeasureRun {
  const env = { ...process.env, BENCH_TARGETS: JSON.stringify(targets) };
  return async ({ scenario: { name }, tree, packets }) => {
    const args = [program, "--scenario", name, "--tree", tree, "--packets", String(packets), "--dir", dir];
    const purpose = `measure ${name} in ${tree}`;
    const options = { purpose, cwd: tree, env, signal, timeoutSeconds: timeoutSeconds(packets) };
    const lines = (await runChild(process.execPath, args, options)).trimEnd().split("\n");
    return measurementSchema.parse(JSON.parse(lines.at(-1) ?? ""));
  };
}
