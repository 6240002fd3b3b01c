import { type Connector, connectorId } from "./connector.ts";
import { changeHealth } from "./health.ts";
import { shadowIdOf } from "./pack.ts";
import type { Engine } from "./ports.ts";
import { forgotten } from "./shadow.ts";

/**
 * Forgets what a target is believed to hold: for one entity, or for all. What is sent from then on is sent whole, even
 * where it seems to change nothing. Versions stay known: no field goes back to an older value.
 *
 * @returns whether anything was known
 */
export async function forget(engine: Engine, connector: Connector, entity?: string): Promise<boolean> {
  if (entity !== undefined) return forgetEntity(engine, shadowIdOf(connector, entity, engine.bridgeKey));
  await changeHealth(engine, connectorId(connector), (health) => ({
    ...health,
    shadowEpoch: (health.shadowEpoch ?? 0) + 1,
  }));
  return true;
}

async function forgetEntity(engine: Engine, id: string): Promise<boolean> {
  for (;;) {
    const [stored] = await engine.store.read("shadow", [id]);
    if (!stored) return false;
    const put = { kind: "shadow", id, value: forgotten(stored.value), etag: stored.etag } as const;
    if ((await engine.store.write([put])) === "written") return true;
  }
}
