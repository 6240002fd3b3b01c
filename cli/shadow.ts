import { userInfo } from "node:os";
import { Command } from "commander";
import { connectorId } from "../bridge/model/connector.ts";
import { forget } from "../bridge/operations/forget-shadow.ts";
import { type End, exitCodes, printJson } from "./output.ts";
import { type StoreOptions, storeCommand, withBridge } from "./with-bridge.ts";

interface ForgetOptions extends StoreOptions {
  readonly entity?: string;
}

/** `bridge shadow`: what the targets are believed to hold. */
export function shadow(end: End): Command {
  return new Command("shadow").description("what the targets are believed to hold").addCommand(
    storeCommand("forget", "forget what a target is believed to hold, as after a change by others at the target")
      .argument("<connector>", "PayrollConnector, WorkForceNow@v2")
      .option("--entity <id>", "only of this record, as bridge outbox --json gives it")
      .addHelpText(
        "after",
        "\nWhat is sent from then on is sent whole, even where it seems to change nothing; no field goes back to an\n" +
          "older value. To send past values again at once: bridge replay --from 2d --connector PayrollConnector",
      )
      .action(async (reference: string, options: ForgetOptions) => {
        await withBridge(options, { work: false }, async (bridge) => {
          const engine = await bridge.engine();
          const found = engine.catalog.find(reference);
          if ("fault" in found) throw new RangeError(found.fault);
          const { entity } = options;
          const known = await forget(engine, found.connector, userInfo().username, entity);
          if (!known) end(exitCodes.no);
          const connector = connectorId(found.connector);
          if (options.json) return printJson({ connector, ...(entity && { entity }), forgotten: known });
          const what = entity === undefined ? "every record" : "this record";
          console.log(
            known ? `forgotten: what ${connector} holds of ${what}` : `${connector} was sent nothing of that record`,
          );
        });
      }),
  );
}
