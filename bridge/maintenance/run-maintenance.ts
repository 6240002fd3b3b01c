import type { Engine } from "../engine.ts";
import type { Connector } from "../model/connector.ts";
import { maintainTarget } from "./maintain-target.ts";
import { runAll } from "./run-all.ts";
import { runWatchdog } from "./watchdog.ts";

/** One round of everything that happens by the clock, where one process does it all. */
export async function runMaintenance(engine: Engine): Promise<void> {
  const targets = engine.catalog.ids.map((id) => maintainTarget(engine, engine.catalog.get(id) as Connector));
  await runAll(engine, [...targets, runWatchdog(engine)]);
}
