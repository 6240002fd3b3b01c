import type { Command } from "commander";
import { redriveAnswer } from "../ops/connectors.ts";
import { type OpsOptions, opsCommand, withOps } from "./api-client.ts";
import { printJson } from "./output.ts";
import { reasonOf } from "./prompt.ts";

interface RedriveOptions extends OpsOptions {
  readonly reason?: string;
}

/** `bridge redrive`: sends an outbox back to its lanes now. */
export function redrive(): Command {
  return opsCommand("redrive", "send a connector's outbox back to its lanes now, and not when its time has come")
    .argument("<connector>", "PayrollConnector, WorkForceNow@v2")
    .option("--reason <text>", "why, for the ledger; else it is asked for")
    .addHelpText("after", "\nIt begins slowly, and gets faster. A target that is down is probed first: bridge probe.")
    .action(async (called: string, options: RedriveOptions) => {
      const reason = await reasonOf(options.reason);
      await withOps(options, { work: false, sheets: "if good" }, async (client) => {
        const path = `/api/connectors/${encodeURIComponent(called)}/redrive`;
        const told = await client.post(path, { reason }, redriveAnswer);
        if (options.json) return printJson(told);
        console.log(
          told.waiting === 0
            ? `nothing waits in the outbox of ${told.connector}`
            : `${told.waiting} packets go back to their lanes of ${told.connector}`,
        );
      });
    });
}
