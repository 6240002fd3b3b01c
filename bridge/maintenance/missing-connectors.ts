import { changeHealth } from "../delivery/circuit-breaker.ts";
import type { Engine } from "../engine.ts";
import { pagesOf } from "../values/pagination.ts";

/** Id of the record with the connectors that this store has known. */
const knownId = "all";

/** Open packets of a missing connector read per page, and counted at most. */
const page = 200;
const maxCounted = 2_000;

/** A connector that is no longer installed, although packets wait for it. */
export interface MissingConnector {
  readonly id: string;
  /** Number of packets that wait, at most `maxCounted`. Held packets do not count. */
  readonly waiting: number;
}

/**
 * Logs when packets wait for a connector that is no longer installed, and when none does anymore. Nothing else would
 * happen to them: the connector has no process that sends, probes or gives up.
 */
export async function checkMissingConnectors(engine: Engine): Promise<void> {
  await rememberConnectors(engine);
  for (const { id, waiting } of await missingConnectors(engine)) {
    const [stored] = await engine.store.read("health", [id]);
    const isKnown = stored?.value.missingSince !== undefined;
    if (isKnown === waiting > 0) continue;
    await changeHealth(engine, id, ({ missingSince: _, ...health }, now) =>
      waiting > 0 ? { ...health, missingSince: now } : health,
    );
    if (waiting > 0) engine.log({ step: "connector-missing", connector: id, packets: waiting });
  }
}

/** Returns the connectors that this store has known but that are not installed, with their waiting packets. */
export async function missingConnectors(engine: Engine): Promise<MissingConnector[]> {
  const [known] = await engine.store.read("connectors", [knownId]);
  const missing = (known?.value.ids ?? []).filter((id) => engine.catalog.get(id) === undefined);
  return Promise.all(missing.map(async (id) => ({ id, waiting: await countWaiting(engine, id) })));
}

/** Returns true if a connector is or was installed with this store. */
export async function isKnownConnector({ store }: Engine, id: string): Promise<boolean> {
  const [known] = await store.read("connectors", [knownId]);
  return known?.value.ids.includes(id) ?? false;
}

async function countWaiting({ store, clock }: Engine, connector: string): Promise<number> {
  const before = clock.now() + 1;
  let count = 0;
  for await (const { items } of pagesOf((from) => store.waiting(connector, { before, limit: page, ...from }))) {
    count += items.length;
    if (count >= maxCounted) break;
  }
  return count;
}

async function rememberConnectors({ store, catalog }: Engine): Promise<void> {
  const [known] = await store.read("connectors", [knownId]);
  const ids = [...new Set([...(known?.value.ids ?? []), ...catalog.ids])].sort();
  if (ids.length === known?.value.ids.length) return;
  // A conflict means that another process remembers them.
  await store.write([{ kind: "connectors", id: knownId, value: { ids }, etag: known?.etag ?? 0 }]);
}
