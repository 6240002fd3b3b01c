import { writeFileSync } from "node:fs";
import { machine } from "./machine.ts";
import type { MeasureRun } from "./measured-process.ts";
import type { MeasureCommand } from "./options.ts";
import type { Figures } from "./scenario.ts";
import { withFloor } from "./scenarios.ts";

const resultsFile = new URL("results.json", import.meta.url);

/** Measures each scenario of this tree once, prints its lines, and writes results.json if the run is full. */
export async function measureToday(root: string, command: MeasureCommand, measure: MeasureRun): Promise<void> {
  const { only, packets, json, isFull } = command;
  const results: Record<string, unknown> = machine();
  let floor: Figures = {};
  for (const scenario of withFloor(only)) {
    const { figures, notes } = await measure({ scenario, tree: root, packets });
    if (scenario.name === "floor") floor = figures;
    results[scenario.name] = resultOf(figures);
    for (const note of notes) console.log(`${scenario.name.padEnd(6)} ${note}`);
    if (Object.keys(figures).length === 0) continue;
    for (const { name, text } of scenario.lines(figures, floor)) {
      console.log(`${name.padEnd(6)} ${text}`);
    }
  }
  const text = `${JSON.stringify(results, null, 2)}\n`;
  if (isFull) writeFileSync(resultsFile, text);
  if (json !== undefined) writeFileSync(json, text);
}

/** Returns the figures of a scenario as stored: rounded, and with `seal.sealMs` nested as `sealMs` in `seal`. */
function resultOf(figures: Figures): Record<string, unknown> {
  const result: Record<string, number> = {};
  const groups: Record<string, Record<string, number>> = {};
  for (const [name, value] of Object.entries(figures)) {
    const [group, member] = name.split(".");
    const digits = Math.max(4, String(Math.trunc(value)).length);
    const kept = Number(value.toPrecision(digits));
    if (group === undefined || member === undefined) result[name] = kept;
    else groups[group] = { ...groups[group], [member]: kept };
  }
  return { ...groups, ...result };
}
