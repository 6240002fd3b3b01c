import type { Engine } from "../engine.ts";
import { pollWhenDue } from "../inbound/poll-target.ts";
import type { Connector } from "../model/connector.ts";
import { probeWhenDue } from "./probe.ts";
import { redriveWhenDue } from "./redrive.ts";

/** What one target needs by the clock: to be asked whether it is awake, and what is new, and to be sent what waits. */
export async function maintainTarget(engine: Engine, connector: Connector): Promise<void> {
  await probeWhenDue(engine, connector);
  await redriveWhenDue(engine, connector);
  await pollWhenDue(engine, connector);
}
