import { userInfo } from "node:os";
import { Command } from "commander";
import { connectorId } from "../bridge/model/connector.ts";
import { forget } from "../bridge/operations/forget-shadow.ts";
import { exitCodes, printJson, type SetExitCode } from "./output.ts";
import { type StoreOptions, storeCommand, withBridge } from "./with-bridge.ts";

interface ForgetOptions extends StoreOptions {
  readonly entity?: string;
}

/** `bridge shadow`: manages the values that targets are known to hold. */
export function shadow(setExitCode: SetExitCode): Command {
  return new Command("shadow").description("manage the values that targets are known to hold").addCommand(
    storeCommand("forget", "forget the known values of a target, for use after its data was changed outside the bridge")
      .argument("<connector>", "PayrollConnector, WorkForceNow@v2")
      .option("--entity <id>", "only the values of this record; bridge outbox --json shows its id")
      .addHelpText(
        "after",
        "\nFrom then on, fields are sent even if they seem unchanged. No field returns to an older value.\n" +
          "To send past values again now: bridge replay --from 2d --connector PayrollConnector",
      )
      .action(async (reference: string, options: ForgetOptions) => {
        await withBridge(options, { work: false }, async (bridge) => {
          const engine = await bridge.engine();
          const found = engine.catalog.find(reference);
          if ("issue" in found) throw new RangeError(found.issue);
          const { entity } = options;
          const forgotten = await forget(engine, found.connector, userInfo().username, entity);
          if (!forgotten) setExitCode(exitCodes.no);
          const connector = connectorId(found.connector);
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
