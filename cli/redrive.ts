import type { Command } from "commander";
import { redriveAnswer } from "../ops/connectors.ts";
import { type OpsOptions, opsCommand, withOps } from "./api-client.ts";
import { plural, printJson } from "./output.ts";
import { askReason } from "./prompt.ts";

interface RedriveOptions extends OpsOptions {
  readonly reason?: string;
}

/** `bridge redrive`: moves a connector's outbox back to its lanes now. */
export function redrive(): Command {
  return opsCommand(
    "redrive",
    "move a connector's outbox back to its lanes now, without waiting for the next automatic redrive",
  )
    .argument("<connector>", "PayrollConnector, WorkForceNow@v2")
    .option("--reason <text>", "the reason for the ledger; prompted for if omitted")
    .addHelpText("after", "\nThe rate rises gradually. If the target is down, run bridge probe first.")
    .action(async (reference: string, options: RedriveOptions) => {
      const reason = await askReason(options.reason);
      await withOps(options, { work: false, sheets: "if good" }, async (client) => {
        const path = `/api/connectors/${encodeURIComponent(reference)}/redrive`;
        const result = await client.post(path, { reason }, redriveAnswer);
        if (options.json) return printJson(result);
        const { connector, waiting } = result;
        console.log(
          waiting === 0
            ? `the outbox of ${connector} is empty`
            : `redriving ${plural(waiting, "packet")} from the outbox of ${connector}`,
        );
      });
    });
}
