import { existsSync } from "node:fs";
import { Command } from "commander";
import { connectorId } from "../bridge/model/connector.ts";
import { Bridge, type BridgeOptions } from "../library/bridge.ts";
import type { LocalEngine } from "../platform/local/engine.ts";

export interface StoreOptions {
  readonly dir: string;
  readonly mappings: string;
  readonly json?: true;
}

/** Creates a command that works on a store, with the options for the store, the mapping sheets and JSON output. */
export function storeCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option("--dir <folder>", "the store's folder", process.env.BRIDGE_DIR ?? ".bridge")
    .option("--mappings <folder>", "the mapping sheets' folder", process.env.BRIDGE_MAPPINGS ?? "mappings")
    .option("--json", "print JSON");
}

/** Opens the store for one command, and closes it even if the command fails. */
export async function withBridge<T>(
  { dir, mappings }: StoreOptions,
  more: Pick<BridgeOptions, "work" | "sheets" | "log" | "onSheets" | "seals">,
  use: (bridge: Bridge) => Promise<T>,
): Promise<T> {
  if (more.work === false && !existsSync(dir)) {
    throw new Error(
      `there is no store at ${dir}; create one with "bridge serve" or "bridge emit", or choose another with --dir`,
    );
  }
  await using bridge = new Bridge({ dir, mappings, ...more });
  const { engine } = await bridge.open();
  reportUpgrade(engine.db.migration);
  return await use(bridge);
}

/** Reports to the operator on stderr that the store was upgraded, because going back needs the backup. */
export function reportUpgrade(migration: LocalEngine["db"]["migration"]): void {
  if (!migration) return;
  const { from, to, backup } = migration;
  console.error(`upgraded the store from schema ${from} to ${to}; a copy of it as it was is in ${backup}`);
}

/**
 * Returns the id of a connector given by name or id.
 *
 * @throws {RangeError} if no connector or more than one matches
 */
export async function idOf(bridge: Bridge, reference: string): Promise<string> {
  const found = (await bridge.engine()).catalog.find(reference);
  if ("issue" in found) throw new RangeError(found.issue);
  return connectorId(found.connector);
}
