import { existsSync } from "node:fs";
import { Command } from "commander";
import { connectorId } from "../bridge/model/connector.ts";
import { Bridge, type BridgeOptions } from "../library/bridge.ts";

export interface StoreOptions {
  readonly dir: string;
  readonly mappings: string;
  readonly json?: true;
}

/** A command on a store: where it is, where the sheets are, and whether a machine reads the answer. */
export function storeCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option("--dir <folder>", "the store", process.env.BRIDGE_DIR ?? ".bridge")
    .option("--mappings <folder>", "the mapping sheets", process.env.BRIDGE_MAPPINGS ?? "mappings")
    .option("--json", "answer as JSON");
}

/** Opens the store for one command, and closes it whatever happens. */
export async function withBridge<T>(
  { dir, mappings }: StoreOptions,
  more: Pick<BridgeOptions, "work" | "sheets" | "log" | "onSheets" | "seals">,
  use: (bridge: Bridge) => Promise<T>,
): Promise<T> {
  if (more.work === false && !existsSync(dir)) {
    throw new Error(`there is no store at ${dir}; "bridge serve" or "bridge emit" makes one, and --dir names another`);
  }
  await using bridge = new Bridge({ dir, mappings, ...more });
  await bridge.open();
  return await use(bridge);
}

/** What a person means by `PayrollConnector`: its id. @throws {RangeError} where there is none, or several */
export async function idOf(bridge: Bridge, reference: string): Promise<string> {
  const found = (await bridge.engine()).catalog.find(reference);
  if ("fault" in found) throw new RangeError(found.fault);
  return connectorId(found.connector);
}
