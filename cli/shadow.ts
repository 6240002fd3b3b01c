import { Command } from "commander";
import { forgetAnswer } from "../ops/connectors.ts";
import { type OpsOptions, opsCommand, withOps } from "./api-client.ts";
import { exitCodes, printJson, type SetExitCode } from "./output.ts";

interface ForgetOptions extends OpsOptions {
  readonly entity?: string;
}

/** `bridge shadow`: manages the values that targets are known to hold. */
export function shadow(setExitCode: SetExitCode): Command {
  return new Command("shadow").description("manage the values that targets are known to hold").addCommand(
    opsCommand("forget", "forget the known values of a target, for use after its data was changed outside the bridge")
      .argument("<connector>", "PayrollConnector, WorkForceNow@v2")
      .option("--entity <id>", "only the values of this record; bridge outbox --json shows its id")
      .addHelpText(
        "after",
        "\nFrom then on, fields are sent even if they seem unchanged. No field returns to an older value.\n" +
          "To send past values again now: bridge replay --from 2d --connector PayrollConnector",
      )
      .action(async (reference: string, options: ForgetOptions) => {
        const { entity } = options;
        await withOps(options, { work: false, sheets: "if good" }, async (client) => {
          const path = `/api/connectors/${encodeURIComponent(reference)}/forget`;
          const { connector, forgotten } = await client.post(path, { entity }, forgetAnswer);
          if (!forgotten) setExitCode(exitCodes.no);
          if (options.json) return printJson({ connector, ...(entity && { entity }), forgotten });
          const records = entity === undefined ? "all records" : "this record";
          console.log(
            forgotten
              ? `forgot the values that ${connector} holds for ${records}`
              : `nothing to forget: no values of this record were sent to ${connector}`,
          );
        });
      }),
  );
}
