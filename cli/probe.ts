import type { Command } from "commander";
import { probeAnswer } from "../ops/connectors.ts";
import { type OpsOptions, opsCommand, withOps } from "./api-client.ts";
import { exitCodes, printJson, type SetExitCode } from "./output.ts";

/** `bridge probe`: checks whether a target is up and updates its state. */
export function probe(setExitCode: SetExitCode): Command {
  return opsCommand("probe", "check whether a target is up; if it has come back up, its outbox is redriven")
    .argument("<connector>", "PayrollConnector, WorkForceNow@v2")
    .action(async (reference: string, options: OpsOptions) => {
      await withOps(options, { work: true }, async (client) => {
        const path = `/api/connectors/${encodeURIComponent(reference)}/probe`;
        const { connector, awake } = await client.post(path, undefined, probeAnswer);
        if (options.json) printJson({ connector, awake });
        else console.log(`${connector} is ${awake ? "up" : "down"}`);
        if (!awake) setExitCode(exitCodes.no);
      });
    });
}
