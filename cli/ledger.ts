import { Command } from "commander";
import { type StoreOptions, storeCommand, withBridge } from "./open.ts";
import { type End, exitCodes, printJson } from "./output.ts";

/** `bridge ledger`: the audit record. */
export function ledger(end: End): Command {
  return new Command("ledger").description("the audit record").addCommand(
    storeCommand("verify", "check every entry of the ledger, and that none is missing").action(
      async (options: StoreOptions) => {
        await withBridge(options, { work: false }, async (bridge) => {
          const found = await bridge.verify();
          if (found.fault) end(exitCodes.no);
          if (options.json) return printJson(found);
          if (found.fault) {
            const { chain, seq, message } = found.fault;
            console.log(`the ledger is BROKEN: ${chain}, entry ${seq}: ${message}`);
          } else
            console.log(`all good: ${found.entries} entries in ${found.chains} chains, none changed, none missing`);
        });
      },
    ),
  );
}
