import { Command } from "commander";
import { restartAnswer } from "../ops/sequences.ts";
import { type OpsOptions, opsCommand, withOps } from "./api-client.ts";
import { printJson, timeIn } from "./output.ts";
import { askReason } from "./prompt.ts";

interface RestartOptions extends OpsOptions {
  readonly since: string;
  readonly reason?: string;
}

/** `bridge sequence`: manages the sequences by which sources order their events. */
export function sequence(): Command {
  return new Command("sequence").description("manage the sequences by which sources order their events").addCommand(
    opsCommand("restart", "confirm that a source's sequence started again, so that its later events count as newer")
      .argument("<source>", "the source of the events: hms.policy")
      .requiredOption("--since <time>", "time of the first event of the new sequence: 2h, 2026-12-01T00:00:00Z")
      .option("--reason <text>", "the reason for the ledger; prompted for if omitted")
      .addHelpText(
        "after",
        "\nChanges that were superseded in the meantime are not sent by themselves. To send them:\n" +
          "  bridge replay --from <time> --sheet current",
      )
      .action(async (source: string, options: RestartOptions) => {
        const since = timeIn(options.since, Date.now()).toISOString();
        const reason = await askReason(options.reason);
        await withOps(options, { work: false, sheets: "if good" }, async (client) => {
          const result = await client.post("/api/sequences/restart", { source, since, reason }, restartAnswer);
          if (options.json) return printJson(result);
          console.log(`events of ${source} accepted since ${result.since} are newer than all earlier ones`);
          console.log(`to send the changes that were superseded: bridge replay --from ${result.since} --sheet current`);
        });
      }),
  );
}
