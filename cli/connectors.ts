import type { Command } from "commander";
import { contextOf } from "../bridge/call.ts";
import { type Connector, connectorId } from "../bridge/connector.ts";
import { healthOf } from "../bridge/health.ts";
import { type StoreOptions, storeCommand, withBridge } from "./open.ts";
import { printJson, table } from "./output.ts";

/** `bridge connectors`: what the bridge can talk to, and how each target is. */
export function connectors(): Command {
  return storeCommand("connectors", "list connectors: health, what waits, whether they are configured").action(
    async (options: StoreOptions) => {
      await withBridge(options, { work: false }, async (bridge) => {
        const engine = await bridge.engine();
        const rows = await Promise.all(
          engine.catalog.ids.map(async (id) => {
            const connector = engine.catalog.get(id) as Connector;
            const [stored] = await engine.store.read("health", [id]);
            const health = stored?.value ?? healthOf(engine.clock.now());
            const context = await contextOf(engine, connector, new AbortController().signal);
            return {
              connector: connectorId(connector),
              health: health.paused ? "PAUSED" : health.status,
              inLane: await depth(`lane:${id}`),
              inOutbox: await depth(`outbox:${id}`),
              order: connector.order,
              ready: context.ok ? "yes" : context.reason,
            };
          }),
        );
        if (options.json) return printJson(rows);
        const cells = rows.map((row) => Object.values(row).map(String));
        console.log(table(["CONNECTOR", "HEALTH", "LANE", "OUTBOX", "ORDER", "CONFIGURED"], cells));

        async function depth(queue: `lane:${string}` | `outbox:${string}`): Promise<number> {
          const { waiting, inFlight } = await engine.queue.depth(queue);
          return waiting + inFlight;
        }
      });
    },
  );
}
