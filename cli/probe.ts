import type { Command } from "commander";
import { connectorId } from "../bridge/connector.ts";
import { isDown } from "../bridge/health.ts";
import { probe as probeTarget } from "../bridge/probe.ts";
import { type StoreOptions, storeCommand, withBridge } from "./open.ts";
import { type End, exitCodes, printJson } from "./output.ts";

/** `bridge probe`: asks a target whether it is awake, and acts on the answer. */
export function probe(end: End): Command {
  return storeCommand("probe", "ask a target whether it is awake; one that woke gets its outbox")
    .argument("<connector>", "PayrollConnector, WorkForceNow@v2")
    .action(async (reference: string, options: StoreOptions) => {
      await withBridge(options, {}, async (bridge) => {
        const engine = await bridge.engine();
        const found = engine.catalog.find(reference);
        if ("fault" in found) throw new RangeError(found.fault);
        const health = await probeTarget(engine, found.connector);
        const awake = !isDown(health);
        if (options.json) printJson({ connector: connectorId(found.connector), awake });
        else console.log(`${connectorId(found.connector)} is ${awake ? "awake" : "asleep"}`);
        if (!awake) end(exitCodes.no);
      });
    });
}
