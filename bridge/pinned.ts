import { type Plan, plan } from "./expand.ts";
import type { Engine } from "./ports.ts";
import type { EventRecord } from "./records.ts";
import { compileSheet, type Sheet } from "./sheet.ts";
import { onlyTargets } from "./sheets.ts";

/** Sheets already stored or read by this process, so that the path asks the store once a sheet and not once an event. */
const known = new WeakMap<Engine["store"], Map<string, Sheet>>();

function knownTo(engine: Engine): Map<string, Sheet> {
  let sheets = known.get(engine.store);
  if (!sheets) {
    sheets = new Map();
    known.set(engine.store, sheets);
  }
  return sheets;
}

/** Keeps the sheets' bodies by hash, before any event names them. */
export async function pinSheets(engine: Engine, sheets: readonly Sheet[]): Promise<void> {
  const cached = knownTo(engine);
  for (const sheet of sheets) {
    if (cached.has(`${sheet.name}:${sheet.hash}`)) continue;
    const value = { name: sheet.name, document: sheet.document };
    // A conflict means that it is stored already; under its own hash it can be no other.
    await engine.store.write([{ kind: "sheet", id: `${sheet.name}:${sheet.hash}`, value, etag: 0 }]);
    cached.set(`${sheet.name}:${sheet.hash}`, sheet);
  }
}

/** The sheets an event has pinned, as they were. */
export async function pinnedSheets(engine: Engine, pinned: EventRecord["sheets"]): Promise<Sheet[]> {
  const cached = knownTo(engine);
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
