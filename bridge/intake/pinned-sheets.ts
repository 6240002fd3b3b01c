import type { Engine } from "../engine.ts";
import { compileSheet, type Sheet } from "../mapping/compile-sheet.ts";
import { onlyTargets } from "../mapping/sheet-set.ts";
import type { EventRecord } from "../model/event-record.ts";
import { type Plan, plan } from "./plan.ts";

/** What this process knows of the store's sheets, so that the path asks the store once a sheet and not once an event. */
interface Known {
  /** Stored or read already. */
  readonly sheets: Map<string, Sheet>;
  /** Being stored just now: the events of a batch are mapped side by side. */
  readonly storing: Map<string, Promise<void>>;
}

const known = new WeakMap<Engine["store"], Known>();

function knownTo({ store }: Engine): Known {
  let all = known.get(store);
  if (!all) {
    all = { sheets: new Map(), storing: new Map() };
    known.set(store, all);
  }
  return all;
}

/** Keeps the sheets' bodies by hash, before any event names them. */
export async function pinSheets(engine: Engine, sheets: readonly Sheet[]): Promise<void> {
  const { sheets: stored, storing } = knownTo(engine);
  for (const sheet of sheets) {
    const id = `${sheet.name}:${sheet.hash}`;
    if (stored.has(id)) continue;
    const begun = storing.get(id) ?? storeSheet(engine, id, sheet).finally(() => storing.delete(id));
    storing.set(id, begun);
    await begun;
    stored.set(id, sheet);
  }
}

async function storeSheet(engine: Engine, id: string, { name, document }: Sheet): Promise<void> {
  // A conflict means that it is stored already; under its own hash it can be no other.
  await engine.store.write([{ kind: "sheet", id, value: { name, document }, etag: 0 }]);
}

/** The sheets an event has pinned, as they were. */
export async function pinnedSheets(engine: Engine, pinned: EventRecord["sheets"]): Promise<Sheet[]> {
  const { sheets: cached } = knownTo(engine);
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

/** The plan of an event's first run: with the sheets and the files that run had pinned, for the targets it was for. */
export async function planAgain(engine: Engine, key: string, record: EventRecord): Promise<Plan> {
  const { event, sheets, accepted, rosters = [], only } = record;
  if (!event) throw new Error(`${key} has packets and no event; this is a fault of the bridge`);
  const pinned = await pinnedSheets(engine, sheets);
  const wanted = only ? onlyTargets(pinned, only.targets) : pinned;
  return plan(engine, { key, event, accepted }, wanted, { rosters, ...(only && { by: only }) });
}
