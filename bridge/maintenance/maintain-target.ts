import type { Engine } from "../engine.ts";
import { pollWhenDue } from "../inbound/poll-target.ts";
import type { Connector } from "../model/connector.ts";
import { probeWhenDue } from "./probe.ts";
import { redriveWhenDue } from "./redrive.ts";

/** Runs one target's scheduled work: probe, redrive of its outbox, and poll. */
export async function maintainTarget(engine: Engine, connector: Connector): Promise<void> {
  await probeWhenDue(engine, connector);
  await redriveWhenDue(engine, connector);
  await pollWhenDue(engine, connector);
}
