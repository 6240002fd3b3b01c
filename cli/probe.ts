import type { Command } from "commander";
import { probeAnswer } from "../ops/connectors.ts";
import { type OpsOptions, opsCommand, withOps } from "./api-client.ts";
import { type End, exitCodes, printJson } from "./output.ts";

/** `bridge probe`: asks a target whether it is awake, and acts on the answer. */
export function probe(end: End): Command {
  return opsCommand("probe", "ask a target whether it is awake; one that woke gets its outbox")
    .argument("<connector>", "PayrollConnector, WorkForceNow@v2")
    .action(async (called: string, options: OpsOptions) => {
      await withOps(options, { work: true }, async (client) => {
        const path = `/api/connectors/${encodeURIComponent(called)}/probe`;
        const { connector, awake } = await client.post(path, undefined, probeAnswer);
        if (options.json) printJson({ connector, awake });
        else console.log(`${connector} is ${awake ? "awake" : "asleep"}`);
        if (!awake) end(exitCodes.no);
      });
    });
}
