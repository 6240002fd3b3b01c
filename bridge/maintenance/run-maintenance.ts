import type { Engine } from "../engine.ts";
import { pollWhenDue } from "../inbound/poll-target.ts";
import type { Connector } from "../model/connector.ts";
import { probeWhenDue } from "./probe.ts";
import { redriveWhenDue } from "./redrive.ts";
import { runAll } from "./run-all.ts";
import { runWatchdog } from "./watchdog.ts";

/** One round of everything that happens by the clock, where one process does it all. */
export async function runMaintenance(engine: Engine): Promise<void> {
  const targets = engine.catalog.ids.map((id) => maintainTarget(engine, engine.catalog.get(id) as Connector));
  await runAll(engine, [...targets, runWatchdog(engine)]);
}

/** What one target needs by the clock: to be asked whether it is awake, and what is new, and to be sent what waits. */
export async function maintainTarget(engine: Engine, connector: Connector): Promise<void> {
  await probeWhenDue(engine, connector);
  await redriveWhenDue(engine, connector);
  await pollWhenDue(engine, connector);
}
