import type { Engine } from "../engine.ts";
import type { Connector } from "../model/connector.ts";
import { maintainTarget } from "./maintain-target.ts";
import { runAll } from "./run-all.ts";
import { runWatchdog } from "./watchdog.ts";

/** Runs one round of all scheduled work, for an engine that is a single process. */
export async function runMaintenance(engine: Engine): Promise<void> {
  const targets = engine.catalog.ids.map((id) => maintainTarget(engine, engine.catalog.get(id) as Connector));
  await runAll(engine, [...targets, runWatchdog(engine)]);
}
