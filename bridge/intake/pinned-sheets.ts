import type { Engine } from "../engine.ts";
import { compileSheet, type Sheet } from "../mapping/compile-sheet.ts";
import { onlyTargets } from "../mapping/sheet-set.ts";
import { acceptanceOf } from "../model/acceptance.ts";
import type { EventRecord } from "../model/event-record.ts";
import { InvariantError } from "../values/bridge-error.ts";
import { type Plan, plan } from "./plan.ts";

/** Sheets that this process has stored or read. The store is accessed once per sheet and not once per event. */
interface SheetCache {
  readonly sheets: Map<string, Sheet>;
  /** Writes in progress: the events of a batch are mapped in parallel. */
  readonly storing: Map<string, Promise<void>>;
}

const caches = new WeakMap<Engine["store"], SheetCache>();

function cacheOf({ store }: Engine): SheetCache {
  let cache = caches.get(store);
  if (!cache) {
    cache = { sheets: new Map(), storing: new Map() };
    caches.set(store, cache);
  }
  return cache;
}

/** Stores the sheets by hash, so that an event can refer to the sheets of its first run. */
export async function pinSheets(engine: Engine, sheets: readonly Sheet[]): Promise<void> {
  const { sheets: stored, storing } = cacheOf(engine);
  for (const sheet of sheets) {
    const id = `${sheet.name}:${sheet.hash}`;
    if (stored.has(id)) continue;
    const write = storing.get(id) ?? storeSheet(engine, id, sheet).finally(() => storing.delete(id));
    storing.set(id, write);
    await write;
    stored.set(id, sheet);
  }
}

async function storeSheet(engine: Engine, id: string, { name, document }: Sheet): Promise<void> {
  // A conflict means that the sheet is stored already: its id contains its hash.
  await engine.store.write([{ kind: "sheet", id, value: { name, document }, etag: 0 }]);
}

/**
 * Returns the sheets that an event pinned at its first run.
 *
 * @throws {Error} if one of them is not in the store
 */
export async function pinnedSheets(engine: Engine, pinned: EventRecord["sheets"]): Promise<Sheet[]> {
  const { sheets: cached } = cacheOf(engine);
  return Promise.all(
    pinned.map(async ({ name, hash }) => {
      const id = `${name}:${hash}`;
      const found = cached.get(id);
      if (found) return found;
      const [stored] = await engine.store.read("sheet", [id]);
      const compiled = stored && compileSheet(name, stored.value.document);
      if (!compiled?.ok) throw new Error(`the pinned sheet ${name} (${hash.slice(0, 12)}) is not in the store`);
      cached.set(id, compiled.sheet);
      return compiled.sheet;
    }),
  );
}

/** Repeats the plan of an event's first run with the same sheets, file versions and targets. */
export async function planAgain(engine: Engine, key: string, record: EventRecord): Promise<Plan> {
  const { event, sheets, rosters = [], only } = record;
  if (!event) throw new InvariantError(`the record of ${key} has no event`);
  const pinned = await pinnedSheets(engine, sheets);
  const wanted = only ? onlyTargets(pinned, only.targets) : pinned;
  return plan(engine, { key, event, acceptance: acceptanceOf(record) }, wanted, { rosters, ...(only && { by: only }) });
}
