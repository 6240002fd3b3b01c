import type { Engine } from "../engine.ts";
import type { Acceptance } from "../model/acceptance.ts";
import type { SourceEvent } from "../model/event.ts";
import type { SequenceOrder } from "../ports/records.ts";
import { keyedHash } from "../values/ids.ts";

/** Time for which a process uses the restarts that it has read, in ms. */
const cacheMs = 5_000;

interface CachedRestarts {
  readonly readAt: number;
  readonly restarts: Promise<SequenceOrder["restarts"]>;
}

const caches = new WeakMap<Engine["store"], Map<string, CachedRestarts>>();

/** Returns the key of a source's sequence in the store. The source is hashed because it may name a person. */
export function sequenceIdOf({ bridgeKey }: Engine, source: string): string {
  return keyedHash(bridgeKey, "sequence", source);
}

/**
 * Returns the number of restarts of its source's sequence that an operator has confirmed up to an event's acceptance. A
 * confirmation takes up to `cacheMs` to reach every process.
 */
export async function epochOf(engine: Engine, event: SourceEvent, { acceptedAt }: Acceptance): Promise<number> {
  if (event.sequence === undefined) return 0;
  const restarts = await cachedRestarts(engine, event.source);
  return restarts.filter((at) => at <= acceptedAt).length;
}

function cachedRestarts(engine: Engine, source: string): CachedRestarts["restarts"] {
  let cache = caches.get(engine.store);
  if (!cache) {
    cache = new Map();
    caches.set(engine.store, cache);
  }
  const id = sequenceIdOf(engine, source);
  const now = engine.clock.elapsed();
  const cached = cache.get(id);
  if (cached && now - cached.readAt < cacheMs) return cached.restarts;
  const restarts = readRestarts(engine, id);
  cache.set(id, { readAt: now, restarts });
  // A failed read is not cached.
  restarts.catch(() => cache.delete(id));
  return restarts;
}

async function readRestarts({ store }: Engine, id: string): Promise<SequenceOrder["restarts"]> {
  const [stored] = await store.read("sequence", [id]);
  return stored?.value.restarts ?? [];
}
